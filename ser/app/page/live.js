// Live answers: twice a second, what the last seconds before the microphone carry.
import {predict} from "/page/client.js";

const EVERY_MILLISECONDS = 500;
const WINDOW_SECONDS = 3; // of sound in each answer, as the networks hear at once
const LEAST_SECONDS = 0.7;

export class Live {
  // answered(stretch, answer or null, seconds from the newest sound in it to now) is called for each answer.
  constructor(recorder, voice, answered) {
    Object.assign(this, {recorder, voice, answered, timer: null, asking: false, session: 0});
  }

  get running() {
    return this.timer !== null;
  }

  start() {
    this.until = 0;
    this.asking = false;
    this.session += 1;
    this.timer = setInterval(() => this.ask(), EVERY_MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  async ask() {
    const now = this.recorder.seconds;
    if (this.asking || now < LEAST_SECONDS || now <= this.until) return; // the answer before is not there yet
    this.asking = true;
    const mine = this.session;
    const stretch = {start_seconds: this.until, end_seconds: now};
    const heard = this.recorder.heardAt;
    let answer = null;
    try {
      answer = await predict(this.recorder.last(WINDOW_SECONDS), this.voice);
      Object.assign(stretch, {emotion: answer.emotion, probabilities: answer.probabilities});
    } catch (error) {
      stretch.reason = error.message;
    }
    if (mine !== this.session || !this.running) return; // it was of another session
    this.asking = false;
    this.until = now;
    this.answered(stretch, answer, (performance.now() - heard) / 1000);
  }
}
