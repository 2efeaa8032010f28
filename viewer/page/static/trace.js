// A trace's page. Everything on it can be read and reached without a script;
// these modules save the way to the server and back.
import "./copy.js";
import "./fold.js";
import "./panel.js";
import "./find.js";
import "./keys.js";
import "./zoom.js";
import "./grip.js";
import "./late.js";
