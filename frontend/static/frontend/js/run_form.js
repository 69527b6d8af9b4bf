// The new-run form: sections that matter only for some choices fold away; nothing typed is lost.

const form = document.getElementById("run-form");

function show() {
  for (const section of form.querySelectorAll("[data-when]")) {
    const [name, value] = section.dataset.when.split("=");
    section.hidden = form.elements.namedItem(name).value.trim() !== value;
  }
  for (const box of form.querySelectorAll("[data-switches]")) {
    form.querySelector(box.dataset.switches).hidden = !box.checked;
  }
}

form?.addEventListener("input", show);
if (form) show();
