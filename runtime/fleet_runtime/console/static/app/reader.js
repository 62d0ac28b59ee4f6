import { signal } from "@preact/signals";
import { access, ApiError } from "./base.js";

/** Why something could not be read, null if all was. */
export const loadError = signal(null);

/** Reads again when asked to, at once and then at most once in `pause` milliseconds. */
export function reader(read, pause) {
  let last = -Infinity;
  let timer = null;
  let running = false;
  async function run() {
    timer = null;
    running = true;
    last = performance.now();
    try {
      await read();
      loadError.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      loadError.value = error;
      if (error.status === 401) access.value = null;
    } finally {
      running = false;
    }
  }
  return () => {
    if (timer !== null) return Promise.resolve();
    const wait = Math.max(running ? 50 : 0, last + pause - performance.now());
    if (wait <= 0) return run();
    timer = setTimeout(run, wait);
    return Promise.resolve();
  };
}
