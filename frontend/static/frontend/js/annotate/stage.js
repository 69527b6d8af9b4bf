// What is on the page: the comparison, or why there is none; counts; the banner; what is read out.

const SLACK = 1.2; // a text that exceeds its clamp by less than this is simply shown whole
const NUMBERS = new Intl.NumberFormat();

const byId = (id) => document.getElementById(id);

export class Stage {
  constructor() {
    this.root = byId("stage");
    this.bar = byId("answers");
    this.live = byId("live");
    this.shown = null;
    this.anchors = new Set(); // texts of the comparison before, to mark the card that stayed
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest?.("[data-expand]");
      if (button) this.#expand(button.previousElementSibling, button.getAttribute("aria-expanded") !== "true");
    });
    new ResizeObserver(() => this.shown && this.#clamp()).observe(this.root);
  }

  show(task) {
    this.shown = task;
    this.root.innerHTML = task.html; // rendered and sanitised by the server
    this.root.removeAttribute("aria-busy");
    this.#markKept();
    this.#clamp();
    this.enable(true);
    window.scrollTo(0, 0);
    if (!this.bar.contains(document.activeElement)) this.root.focus({ preventScroll: true });
  }

  /** No comparison: a fragment from the server, or a template of the page. False when it stands there already. */
  say(html) {
    if (this.shown === null && this.said === html) return false;
    this.shown = null;
    this.said = html;
    this.root.innerHTML = html;
    this.root.removeAttribute("aria-busy");
    this.enable(false);
    return true;
  }

  wait(name) {
    if (!this.say(byId(`say-${name}`).innerHTML)) return;
    if (name === "loading") this.root.setAttribute("aria-busy", "true");
  }

  enable(on) {
    for (const button of this.bar.querySelectorAll("[data-needs-task]")) button.disabled = !on;
  }

  press(verdict) {
    const button = this.bar.querySelector(`[data-verdict="${verdict}"]`);
    if (!button) return;
    button.classList.remove("is-pressed");
    void button.offsetWidth; // restarts the animation
    button.classList.add("is-pressed");
  }

  flag(side, on) {
    this.root.querySelector(`[data-flag="${side}"]`)?.setAttribute("aria-pressed", String(on));
  }

  expandAll() {
    const folded = [...this.root.querySelectorAll("[data-expand]:not([hidden])")];
    const open = folded.some((button) => button.getAttribute("aria-expanded") !== "true");
    for (const button of folded) this.#expand(button.previousElementSibling, open);
    this.announce(folded.length ? (open ? "Texts shown in full." : "Texts shortened.") : "Nothing is shortened.");
  }

  counts(counts, unsent) {
    if (!counts) return;
    const done = counts.labels + unsent;
    byId("today").textContent = NUMBERS.format(counts.today + unsent);
    byId("total").textContent = NUMBERS.format(counts.total + unsent);
    byId("done").textContent = NUMBERS.format(done);
    byId("expected").textContent = counts.expected ? NUMBERS.format(counts.expected) : "–";
    const bar = byId("project-bar");
    bar.max = Math.max(counts.expected || 0, done, 1);
    bar.value = done;
  }

  announce(words) {
    this.live.textContent = "";
    requestAnimationFrame(() => (this.live.textContent = words));
  }

  /** A sentence that stays until it is closed. */
  notice(words) {
    byId("notice-words").textContent = words;
    byId("notice").hidden = false;
  }

  banner(words, way = "") {
    const banner = byId("banner");
    byId("banner-words").textContent = words;
    for (const link of banner.querySelectorAll("[data-way]")) link.hidden = link.dataset.way !== way;
    banner.hidden = !words;
  }

  #markKept() {
    const texts = new Set();
    for (const card of this.root.querySelectorAll(".pref")) {
      const text = card.querySelector(".pref__texts").innerHTML;
      texts.add(text);
      const badge = card.querySelector("[data-kept]");
      if (badge) badge.hidden = !this.anchors.has(text);
    }
    this.anchors = texts;
  }

  #clamp() {
    for (const box of this.root.querySelectorAll("[data-clamp]")) {
      const button = box.nextElementSibling;
      if (button.getAttribute("aria-expanded") === "true") continue;
      box.classList.add("is-clamped");
      const long = box.scrollHeight > box.clientHeight * SLACK;
      box.classList.toggle("is-clamped", long);
      button.hidden = !long;
      // Of a conversation the latest turn matters most: it is the one that was answered.
      if (long && box.dataset.clamp === "end") box.scrollTop = box.scrollHeight;
    }
    for (const code of this.root.querySelectorAll(".prose pre, .prose table")) {
      if (code.scrollWidth > code.clientWidth) code.tabIndex = 0; // so that the keyboard can scroll it
    }
  }

  #expand(box, open) {
    const button = box.nextElementSibling;
    box.classList.toggle("is-clamped", !open);
    if (!open && box.dataset.clamp === "end") box.scrollTop = box.scrollHeight;
    button.setAttribute("aria-expanded", String(open));
    button.querySelector("[data-expand-words]").textContent = open ? "Show less" : "Show all";
  }
}
