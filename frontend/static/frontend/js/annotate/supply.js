// The comparisons this page holds: the one on screen first, then the one fetched ahead.
import { Lease } from "./lease.js";
import { post } from "./server.js";

const HOLD = 2;

export class Supply {
  /** `told`: {changed(), counts(counts), troubled(error), lost()}; `sending()`: ids in the outbox. */
  constructor(settings, sending, told) {
    this.url = settings.nextUrl;
    this.sending = sending;
    this.told = told;
    this.held = [];
    this.empty = null; // why the server had none the last time it was asked
    this.asking = false;
    this.lease = new Lease(settings.heartbeatUrl, settings.leaseMinutes, () => this.#ids());
    this.lease.onReply = (live, asked) => this.#stillOurs(live, asked);
  }

  get current() {
    return this.held[0] ?? null;
  }

  get wanting() {
    return this.held.length < HOLD;
  }

  /** Assignments the server must not hand out again. */
  get known() {
    return [...this.#ids(), ...this.sending()];
  }

  /** Takes the current comparison away, and the flags it carries with it. */
  next() {
    return this.held.shift();
  }

  /** Lets go of what is held for practice: the server has taken it back. */
  dropPractice() {
    this.held = this.held.filter((task) => !task.practice);
    this.empty = null;
  }

  putBack(task) {
    this.held = [task, ...this.held.filter((one) => one.id !== task.id)];
    this.empty = null;
  }

  async fill() {
    if (this.asking || !this.wanting || (this.empty && this.held.length)) return;
    this.asking = true;
    try {
      do this.take(await post(this.url, { exclude: this.known }));
      while (this.wanting && !this.empty);
    } catch (error) {
      this.told.troubled(error);
    } finally {
      this.asking = false;
    }
  }

  /** Takes in a reply of the server: a comparison, or why there is none; and counts. */
  take(reply) {
    this.told.counts(reply.counts);
    this.empty = reply.empty ?? null;
    if (reply.task && !this.known.includes(reply.task.id)) this.held.push(reply.task);
    this.told.changed();
  }

  #ids() {
    return this.held.map((task) => task.id);
  }

  #stillOurs(live, asked) {
    const lost = asked.filter((id) => !live.includes(id));
    if (!lost.length) return;
    const before = this.current;
    this.held = this.held.filter((task) => !lost.includes(task.id));
    if (before && before !== this.current) this.told.lost();
    this.told.changed();
    this.fill();
  }
}
