"""chromium: a page in Chromium, by WebDriver. Whatever certificate a server shows is taken."""

import json
import shutil
import subprocess
import urllib.request

import peers
from peers import SLOWER, eventually, free_port, temporary_dir


class Chromium:
    """A page in Chromium, by WebDriver."""

    def __init__(self, url):
        self.port = free_port()
        self.driver = peers.spawn(["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: self._is_ready(), "chromedriver is ready", 30)
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   f"--user-data-dir={temporary_dir()}"]
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": {"args": options, "binary": shutil.which("chromium")}}}})
        self.session = session["sessionId"]
        self._ask("POST", f"/session/{self.session}/url", {"url": url})

    def _is_ready(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60 * SLOWER) as answer:
            return json.load(answer)["value"]

    def seen(self):
        return self._ask("POST", f"/session/{self.session}/execute/sync", {"script": "return window.seen", "args": []})

    def script(self, text, *args):
        """What an async function with this body gives."""
        return self._ask("POST", f"/session/{self.session}/execute/async", {
            "script": f"const done = arguments[arguments.length - 1]; (async (...a) => {{{text}}})(...arguments)"
                      ".then(done, (e) => done({failed: String(e)}));", "args": list(args)})

    def cookies(self):
        """All, those too that no script sees."""
        return self._ask("GET", f"/session/{self.session}/cookie")

    def close(self):
        self._ask("DELETE", f"/session/{self.session}")
        peers.end(self.driver)
