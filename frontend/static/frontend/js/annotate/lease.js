// Keeps what is held leased while the page is looked at, and notices what was lost while it was not.
import { post } from "./server.js";

const SHORTEST_MS = 15_000;

export class Lease {
  constructor(url, leaseMinutes, held) {
    this.url = url;
    this.held = held;
    this.onReply = () => {};
    setInterval(() => this.#beat(), Math.max(SHORTEST_MS, (leaseMinutes * 60_000) / 4));
    document.addEventListener("visibilitychange", () => this.#beat());
  }

  async #beat() {
    const assignments = this.held();
    if (document.visibilityState !== "visible" || !assignments.length) return;
    try {
      const reply = await post(this.url, { assignments });
      this.onReply(reply.live, assignments);
    } catch {
      // Nobody there, signed out or refused: the next answer meets the same and says so.
    }
  }
}
