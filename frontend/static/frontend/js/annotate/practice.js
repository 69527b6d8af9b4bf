// Practice: a comparison stays on screen after its answer, until the person has read what they were told.

export class Practice {
  constructor(stage, goOn) {
    this.stage = stage;
    this.goOn = goOn;
    this.key = null; // of the answer whose comparison stays
    this.telling = false;
  }

  get holds() {
    return this.key !== null;
  }

  /** The answer is on its way: nothing else can be answered until it has come back. */
  wait(key) {
    this.key = key;
    this.stage.enable(false);
    this.stage.announce("Checking your answer.");
  }

  /** The server has the answer. Without feedback there is nothing to stay for. */
  tell(key, feedback) {
    if (key !== this.key) return;
    if (!feedback) return this.proceed();
    this.telling = true;
    this.stage.tell(feedback.html);
  }

  /** The answer was taken back or refused. */
  drop(key) {
    if (key === this.key) this.proceed();
  }

  proceed() {
    this.key = null;
    this.telling = false;
    this.stage.tell("");
    this.goOn();
  }
}
