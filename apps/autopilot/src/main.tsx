/** test */
import { visibleText } from "./pure/visible.ts";
import { verifyBundle, parseBundle } from "@ioi/guardian/verify";
import { Console } from "@ioi/wire/console";
console.log(visibleText("a"), parseBundle, verifyBundle, Console);
