// What is on the page: the comparison, or why there is none; counts; the banner; what is read out.
import { clamp, expandAll, watch } from "../clamp.js";
import { localTimes } from "../ui.js";

const NUMBERS = new Intl.NumberFormat();

const byId = (id) => document.getElementById(id);

export class Stage {
  constructor() {
    this.root = byId("stage");
    this.bar = byId("answers");
    this.live = byId("live");
    this.shown = null;
    this.anchors = new Set(); // texts of the comparison before, to mark the card that stayed
    watch(this.root);
  }

  show(task) {
    this.shown = task;
    this.root.innerHTML = task.html; // rendered and sanitised by the server
    byId("practice").innerHTML = task.practice ?? "";
    this.root.removeAttribute("aria-busy");
    this.#markKept();
    clamp(this.root);
    this.enable(true);
    window.scrollTo(0, 0);
    if (!this.bar.contains(document.activeElement)) this.root.focus({ preventScroll: true });
  }

  /** No comparison: a fragment from the server, or a template of the page. False when it stands there already. */
  say(html) {
    if (this.shown === null && this.said === html) return false;
    this.shown = null;
    this.said = html;
    byId("practice").innerHTML = "";
    this.root.innerHTML = html;
    localTimes(this.root);
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

  /** Puts what a practice answer is told in the place of the answer buttons; nothing puts them back. */
  tell(html) {
    const told = byId("told");
    told.innerHTML = html;
    this.bar.classList.toggle("is-telling", Boolean(html));
    if (!html) return;
    this.announce(told.querySelector(".feedback__said").textContent.replace(/\s+/g, " ").trim());
    told.querySelector("[data-continue]").focus({ preventScroll: true });
  }

  /** An arena that tells who wrote what: about the answer given last. */
  names(words) {
    byId("names-words").textContent = words;
    byId("names").hidden = false;
    this.announce(words);
  }

  flag(side, on) {
    this.root.querySelector(`[data-flag="${side}"]`)?.setAttribute("aria-pressed", String(on));
  }

  expandAll() {
    this.announce(expandAll(this.root));
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
}
