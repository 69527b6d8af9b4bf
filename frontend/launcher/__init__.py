"""`manage.py up`: the whole product as one command on one machine. Production starts its processes itself."""
