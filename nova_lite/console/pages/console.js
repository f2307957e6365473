// Opens the console whose token is in this page's address, and takes the token out of the address first: out of the
// history, out of what is copied from the address bar, out of reach of everything that is loaded later.

const status = document.getElementById("status");

function show(state, text) {
  document.body.dataset.state = state;
  status.textContent = text;
}

function takeToken() {
  const query = new URLSearchParams(location.search);
  const inner = (query.get("path") || "").replace(/^[^?]*\?/, "");
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = new URLSearchParams(inner).get("token") || query.get("token") || fragment.get("token");
  history.replaceState(null, "", location.pathname);
  return token;
}

function address(token) {
  const url = new URL("./", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ token });
  return url.href;
}

async function open(token) {
  let RFB;
  try {
    RFB = (await import("./novnc/core/rfb.js")).default;
  } catch (error) {
    show("ended", "noVNC is not installed beside the console daemon: the operator runs nova-lite up.");
    return;
  }
  const rfb = new RFB(document.getElementById("screen"), address(token), { shared: true, wsProtocols: ["binary"] });
  let opened = false;
  rfb.scaleViewport = true;
  rfb.focusOnClick = true;
  rfb.addEventListener("connect", () => {
    opened = true;
    show("open", "Connected");
    document.getElementById("keys").disabled = false;
    rfb.focus();
  });
  rfb.addEventListener("desktopname", (event) => {
    document.title = event.detail.name;
    document.getElementById("name").textContent = event.detail.name;
  });
  rfb.addEventListener("disconnect", () => {
    document.getElementById("keys").disabled = true;
    show("ended", opened
      ? "The console has ended. Each address opens it once: ask for a new one."
      : "The console cannot be opened: its address was used, is too old, or the server does not run. Ask for a new one.");
  });
  document.getElementById("keys").addEventListener("click", () => { rfb.sendCtrlAltDel(); rfb.focus(); });
}

document.getElementById("full").addEventListener("click", () => {
  if (document.fullscreenElement) {
    document.exitFullscreen();
  } else {
    document.documentElement.requestFullscreen();
  }
});

const token = takeToken();
if (token) {
  open(token);
} else {
  show("ended", "There is no token in this address. Each address opens the console once: ask for a new one.");
}
