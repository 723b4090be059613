// Reads an event stream with npm's eventsource, and writes what comes as a line of JSON each. Ends with its standard output.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const {resolve} = createRequire(`${process.env.NPM}/package.json`);
const {EventSource} = await import(pathToFileURL(resolve("eventsource")).href);

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const source = new EventSource(process.argv[2]);

for (const name of ["monitor", "down", "gap", "bye"])
    source.addEventListener(name, (e) => say({event: name, id: e.lastEventId, data: JSON.parse(e.data)}));
source.onopen = () => say({event: "open"});
source.onerror = () => say({event: "error", state: source.readyState});
