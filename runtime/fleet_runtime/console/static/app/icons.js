import { html } from "./html.js";

// One set: strokes of 1.75 on a grid of 24.
const PATHS = {
  fleet: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01M12 7.5h4M12 16.5h4",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  arena: "M4 5h7v14H4zM13 5h7v14h-7zM7 9h1M7 12h1M16 9h1M16 12h1",
  activity: "M3 12h4l3-8 4 16 3-8h4",
  setup: "M5 7h9M18 7h1M5 17h1M10 17h9M16 5v4M8 15v4",
  machine: "M4 5h16v10H4zM9 20h6M12 15v5",
  star: "M12 3.8l2.5 5.2 5.7.8-4.1 4 1 5.6-5.1-2.7-5.1 2.7 1-5.6-4.1-4 5.7-.8z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  refresh: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  power: "M12 4v8M7 7a7 7 0 1 0 10 0",
  eject: "M12 5l7 9H5zM5 19h14",
  load: "M12 4v11M7 10l5 5 5-5M5 19h14",
  stop: "M7 7h10v10H7z",
  send: "M5 12l14-7-4 14-3-6z",
  image: "M4 5h16v14H4zM8 10.5h.01M5 17l5-5 4 4 2-2 3 3",
  tools: "M14 6a4 4 0 0 0 5 5l-8 8a2.1 2.1 0 0 1-3-3l8-8zM5 5l4 4",
  brain: "M9 4a3 3 0 0 0-3 3 3 3 0 0 0-2 5 3 3 0 0 0 2 5 3 3 0 0 0 6 1V6a3 3 0 0 0-3-2zM12 6a3 3 0 0 1 6 1 3 3 0 0 1 2 5 3 3 0 0 1-2 5 3 3 0 0 1-6 1",
  cloud: "M7 18a4 4 0 0 1-.5-8A6 6 0 0 1 18 9.5a4.2 4.2 0 0 1-.5 8.5z",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5L20 20",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  down: "M6 9l6 6 6-6",
  right: "M9 6l6 6-6 6",
  left: "M15 6l-6 6 6 6",
  up: "M6 15l6-6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8h.01",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  moon: "M19 14.5A8 8 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  menu: "M4 7h16M4 12h16M4 17h16",
  download: "M12 4v11M7 10l5 5 5-5M5 20h14",
  external: "M10 6H5v13h13v-5M14 4h6v6M20 4l-9 9",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  eye: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  key: "M9 10a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 12l7-7M16 8l2.5 2.5",
  sliders: "M5 7h9M18 7h1M5 17h1M10 17h9M16 5v4M8 15v4",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
};

/** An icon next to words; one that is alone needs the label of its button. */
export function Icon({ name, size = 18, filled = false }) {
  return html`<svg class=${`icon${filled ? " filled" : ""}`} width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
