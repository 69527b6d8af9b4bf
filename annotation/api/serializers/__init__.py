"""What goes over the wire, in and out. Each field is named: nothing leaves because a table has it."""
