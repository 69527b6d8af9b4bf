// Answers on their way to the server. Each is kept in localStorage from the moment it is given until the
// server has acknowledged or refused it, so that a reload, a crash or a lost network loses none; its key makes
// sending it twice harmless.
import { Refused, SignedOut } from "./server.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 20_000;

export class Outbox {
  constructor(scope) {
    this.prefix = `pop.outbox.${scope}.`;
    this.items = new Map();
    for (const item of this.#stored()) this.items.set(item.key, item);
  }

  get size() {
    return this.items.size;
  }

  /** How many of them count: practice does not. */
  get counted() {
    return [...this.items.values()].filter((item) => !item.practice).length;
  }

  get assignments() {
    return [...this.items.values()].map((item) => item.assignment);
  }

  first() {
    return this.items.values().next().value;
  }

  last() {
    return [...this.items.values()].at(-1);
  }

  add(item) {
    this.items.set(item.key, item);
    try {
      localStorage.setItem(this.prefix + item.key, JSON.stringify(item));
    } catch {
      // Storage is full or blocked: the answer is still sent, it just would not survive a reload.
    }
  }

  remove(key) {
    this.items.delete(key);
    try {
      localStorage.removeItem(this.prefix + key);
    } catch {
      // As above.
    }
  }

  #stored() {
    const found = [];
    try {
      for (const name of Object.keys(localStorage)) {
        if (name.startsWith(this.prefix)) found.push(JSON.parse(localStorage.getItem(name)));
      }
    } catch {
      return found;
    }
    return found.sort((one, other) => one.given - other.given);
  }
}

/** Sends the outbox in order, one at a time, and keeps trying. */
export class Sender {
  constructor(outbox, send, told) {
    this.outbox = outbox;
    this.send = send;
    this.told = told; // {sent(item, reply), refused(item, error), state(name)}
    this.running = false;
    this.wait = FIRST_WAIT_MS;
    this.wake = () => {};
  }

  kick() {
    this.wake();
    if (!this.running) this.#run();
  }

  async #run() {
    this.running = true;
    while (this.outbox.size && (await this.#one(this.outbox.first())));
    this.running = false;
  }

  /** False when trying again makes no sense before the person has done something. */
  async #one(item) {
    item.tried = true;
    try {
      const reply = await this.send(item);
      this.outbox.remove(item.key);
      this.wait = FIRST_WAIT_MS;
      this.told.state("online");
      this.told.sent(item, reply);
    } catch (error) {
      if (error instanceof SignedOut) {
        this.told.state("signed-out");
        return false;
      }
      if (error instanceof Refused) {
        this.outbox.remove(item.key);
        this.told.state("online");
        this.told.refused(item, error);
        return true;
      }
      this.told.state("offline");
      await this.#pause();
    }
    return true;
  }

  #pause() {
    const wait = this.wait;
    this.wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
