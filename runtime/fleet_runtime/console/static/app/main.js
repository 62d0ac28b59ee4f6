import { render } from "preact";
import { html } from "./html.js";
import { boot } from "./entry.js";
import { Shell } from "./shell.js";

render(html`<${Shell} />`, document.getElementById("app"));
boot();
