// One person labelling: an answer is acknowledged at once, goes through the outbox, and the server's reply
// brings the comparison after the next.
import { Outbox, Sender } from "./outbox.js";
import { Practice } from "./practice.js";
import { Refused, SignedOut, post } from "./server.js";
import { Stage } from "./stage.js";
import { Supply } from "./supply.js";

const SHORTEST_LOOK_MS = 350; // nobody has read four texts by then: a double press, not an answer
const ASK_AGAIN_MS = 20_000;
const RETRY_MS = 3_000;
const BANNER_AFTER_MS = 1_500;
const TAKEN_BACK = "Your last answer was taken back. Answer again.";
const AWAY =
  "You were away for longer than a comparison is kept for you, so it went back to the queue. " +
  "Everything you had answered is kept.";

export class Session {
  constructor(settings) {
    this.settings = settings;
    this.stage = new Stage();
    this.state = "online"; // or "offline" or "signed-out"
    this.shownAt = 0;
    this.given = new Map(); // answered comparisons by key, so that an unsent answer can be taken back
    this.flags = { first: false, second: false };
    this.outbox = new Outbox(settings.scope);
    this.practice = new Practice(this.stage, () => this.#show(""));
    this.supply = new Supply(settings, () => this.outbox.assignments, {
      changed: () => this.#show(""),
      counts: (counts) => this.#heard(counts),
      troubled: (error) => this.#troubled(error),
      lost: () => this.stage.notice(AWAY),
    });
    this.sender = new Sender(this.outbox, (item) => this.#send(item), {
      sent: (item, reply) => this.#sent(item, reply),
      refused: (item, error) => this.#refused(item, error),
      state: (name) => this.#network(name),
    });
  }

  start() {
    this.stage.wait("loading");
    if (this.outbox.size) this.sender.kick();
    else this.supply.fill();
    setInterval(() => this.lookAgain(), ASK_AGAIN_MS);
    window.addEventListener("online", () => this.lookAgain());
    document.addEventListener("visibilitychange", () => this.lookAgain());
    window.addEventListener("beforeunload", (event) => {
      if (this.outbox.size && this.state !== "online") event.preventDefault();
    });
  }

  /** A comparison that waits for an answer. */
  get answerable() {
    return this.supply.current !== null && !this.practice.holds;
  }

  /** Too soon after the card appeared, or no card on screen. */
  get #notReady() {
    return performance.now() - this.shownAt < SHORTEST_LOOK_MS || this.stage.shown !== this.supply.current;
  }

  answer(verdict, reason = "") {
    if (!this.supply.current || this.#notReady) return;
    const task = this.supply.next();
    const item = {
      key: crypto.randomUUID?.() ?? randomKey(),
      assignment: task.id,
      verdict,
      reason,
      first_looks_swapped: this.flags.first,
      second_looks_swapped: this.flags.second,
      duration_ms: Math.round(performance.now() - this.shownAt),
      given: Date.now(),
      practice: Boolean(task.practice),
    };
    this.outbox.add(item);
    this.given.set(item.key, task);
    this.stage.press(verdict);
    if (task.practice) this.practice.wait(item.key);
    this.#show(`${this.settings.words[verdict]}.`);
    this.#count();
    this.sender.kick();
    setTimeout(() => this.#banner(), BANNER_AFTER_MS);
  }

  async undo() {
    if (this.practice.telling) return this.stage.notice("A practice answer cannot be taken back.");
    if (this.undoing || (this.supply.current && this.#notReady)) return;
    const unsent = this.outbox.last();
    if (unsent) return this.#undoUnsent(unsent);
    this.undoing = true;
    try {
      const reply = await post(this.settings.undoUrl, {});
      this.supply.putBack(reply.task);
      this.#count(reply.counts);
      this.#show(TAKEN_BACK);
    } catch (error) {
      this.#troubled(error);
    } finally {
      this.undoing = false;
    }
  }

  #undoUnsent(item) {
    const task = this.given.get(item.key);
    if (item.tried || !task) {
      this.stage.notice("Your last answer is still on its way. Take it back once it has been sent.");
      return;
    }
    this.outbox.remove(item.key);
    this.supply.putBack(task);
    this.practice.drop(item.key);
    this.#show(TAKEN_BACK);
    this.#count();
    this.#banner();
  }

  flag(side, on = !this.flags[side]) {
    if (!this.supply.current || this.practice.holds) return;
    this.flags[side] = on;
    this.stage.flag(side, on);
    const letter = side === "first" ? "A" : "B";
    this.stage.announce(on ? `${letter} flagged as swapped.` : `${letter} is no longer flagged.`);
  }

  /** For managers: no practice. */
  async skipPractice() {
    if (this.outbox.size) return;
    try {
      await post(this.settings.skipUrl, {});
      this.supply.dropPractice();
      this.#show("Practice skipped.");
      this.supply.fill();
    } catch (error) {
      this.#troubled(error);
    }
  }

  /** Done for now: gives back what is held. */
  async leave() {
    if (this.outbox.size) {
      this.stage.notice("Some labels are still waiting to be sent. They are kept in this browser.");
      return;
    }
    try {
      await post(this.settings.releaseUrl, {});
    } catch {
      // The leases run out by themselves.
    }
    window.location.assign(this.settings.homeUrl);
  }

  lookAgain() {
    if (document.visibilityState !== "visible") return;
    if (this.outbox.size) this.sender.kick();
    else if (!this.supply.empty?.final) this.supply.fill();
  }

  #send(item) {
    const { given, tried, practice, ...label } = item;
    const exclude = this.supply.known.filter((id) => id !== item.assignment);
    return post(this.settings.answerUrl, { ...label, exclude, want_next: this.supply.wanting });
  }

  #sent(item, reply) {
    this.given.delete(item.key);
    this.supply.take(reply);
    this.practice.tell(item.key, reply.feedback);
    if (reply.names) this.stage.names(reply.names);
    this.supply.fill();
    this.#banner();
  }

  #refused(item, error) {
    this.given.delete(item.key);
    this.practice.drop(item.key);
    this.stage.notice(`Your answer “${this.settings.words[item.verdict]}” was not counted. ${error.message}`);
    this.#count();
    this.#banner();
    this.supply.fill();
  }

  /** Brings the screen in line with what is held. */
  #show(said) {
    if (this.practice.holds) return;
    const task = this.supply.current;
    if (task && task === this.stage.shown) return;
    if (task) {
      this.flags = { first: false, second: false };
      this.stage.show(task);
      this.shownAt = performance.now();
      this.stage.announce(`${said} Comparison ready.`.trim());
    } else if (this.supply.empty) {
      if (!this.stage.say(this.supply.empty.html)) return;
      this.stage.announce(`${said} ${this.stage.root.textContent.replace(/\s+/g, " ")}`.trim());
    } else {
      this.stage.wait(this.state === "online" ? "loading" : this.state);
      this.stage.announce(said);
    }
  }

  #heard(counts) {
    this.#network("online");
    this.#count(counts);
  }

  #count(counts = this.counts) {
    this.counts = counts;
    this.stage.counts(counts, this.outbox.counted);
  }

  #troubled(error) {
    if (error instanceof Refused) this.stage.notice(error.message);
    else this.#network(error instanceof SignedOut ? "signed-out" : "offline");
    if (this.state === "offline") setTimeout(() => this.lookAgain(), RETRY_MS);
  }

  #network(name) {
    const changed = name !== this.state;
    this.state = name;
    this.#banner();
    if (changed && !this.supply.current && !this.supply.empty) this.#show("");
  }

  #banner() {
    const waiting = this.outbox.size;
    const labels = `${waiting} ${waiting === 1 ? "label" : "labels"} waiting to be sent`;
    const kept = waiting ? ` ${labels}, kept in this browser.` : "";
    if (this.state === "signed-out") this.stage.banner(`You are signed out.${kept}`, "sign-in");
    else if (this.state === "offline") this.stage.banner(`No connection.${kept} Trying again.`, "retry");
    else {
      const slow = waiting && Date.now() - this.outbox.first().given >= BANNER_AFTER_MS - 50;
      this.stage.banner(slow ? `${labels}.` : "");
    }
  }
}

/** Pages served without HTTPS from another machine have no randomUUID. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
