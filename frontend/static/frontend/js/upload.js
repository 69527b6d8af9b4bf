// Uploads with a bar, and a word before a file that is too large is sent at all.

const form = document.querySelector("form[data-upload]");

function say(text) {
  const place = form.querySelector("[data-upload-error]");
  place.textContent = text;
  place.hidden = !text;
}

function show(share) {
  const bar = form.querySelector("[data-upload-bar]");
  bar.hidden = share === null;
  bar.value = share ?? 0;
  for (const button of form.querySelectorAll("button")) button.disabled = share !== null;
}

function size(bytes) {
  return `${(bytes / 2 ** 20).toLocaleString(undefined, { maximumFractionDigits: 1 })} MiB`;
}

/** The server's answer: a redirect to the import, or the page again with what was wrong. */
function answered(request) {
  if (request.responseURL !== (form.action || location.href)) {
    location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const places = [".field__errors li", ".notice--bad p", "main p"];
  const wrong = places.map((place) => page.querySelector(place)).find(Boolean);
  say(wrong?.textContent.trim() || `The server answered ${request.status}. Try again.`);
  show(null);
}

function send(event) {
  const file = form.querySelector("input[type=file]").files[0];
  if (!file) return;
  event.preventDefault();
  const limit = Number(form.dataset.maxBytes);
  if (file.size > limit) {
    say(`${file.name} is ${size(file.size)}; the limit is ${size(limit)}. Split the file, or ask for a higher limit.`);
    return;
  }
  say("");
  const request = new XMLHttpRequest();
  request.open("POST", form.action || location.href);
  request.upload.addEventListener("progress", (at) => show(at.lengthComputable ? (100 * at.loaded) / at.total : 0));
  request.addEventListener("load", () => answered(request));
  request.addEventListener("error", () => {
    say("The connection broke while the file was sent. Nothing was imported: try again.");
    show(null);
  });
  show(0);
  request.send(new FormData(form));
}

form?.addEventListener("submit", send);
