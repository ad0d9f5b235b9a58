package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is for a page to show what is waited for: machines are noisy, and
	// the UI asks again only every few seconds.
	patience = 60 * time.Second
	// width and height of a window, and so of a screenshot.
	width, height = 1200, 800
	// maxMessage bounds what Chromium says at once: a screenshot.
	maxMessage = 64 << 20
)

// chromium is a headless Chromium, spoken to over two pipes by the DevTools
// protocol (chromedevtools.github.io/devtools-protocol, --remote-debugging-pipe):
// no port and no library.
type chromium struct {
	cmd     *exec.Cmd
	profile string
	to      io.WriteCloser

	mu      sync.Mutex
	last    int
	answers map[int]chan answer
	pages   map[string]*page // by session
	gone    error            // why nothing is answered any more
	done    chan struct{}    // closed when the reader has ended
}

type answer struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startChromium starts it with a fresh profile, and without a way out of this
// machine.
func startChromium() (*chromium, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errors.New("the browser tests need Chromium: apt-get install chromium")
	}
	profile, err := os.MkdirTemp("", "debrief-chromium-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for Chromium: %w", err)
	}
	c := &chromium{profile: profile, answers: map[int]chan answer{}, pages: map[string]*page{}, done: make(chan struct{})}
	hears, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe to Chromium: %w", err)
	}
	from, says, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe from Chromium: %w", err)
	}
	c.to = to
	c.cmd = exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", //nolint:gosec // the installed browser
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server", "--hide-scrollbars", "--lang=en",
		fmt.Sprintf("--window-size=%d,%d", width, height), "--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	c.cmd.ExtraFiles = []*os.File{hears, says}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting Chromium: %w", err)
	}
	_, _ = hears.Close(), says.Close()
	go c.listen(from)
	return c, nil
}

// stop closes the browser and waits for it.
func (c *chromium) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = c.call(ctx, "", "Browser.close", nil, nil)
	_ = c.to.Close()
	ended := make(chan struct{})
	go func() { _ = c.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		_ = c.cmd.Process.Kill()
		<-ended
	}
	<-c.done
	// Its helpers may outlive it by a moment and write to the profile.
	var err error
	for ctx.Err() == nil {
		if err = os.RemoveAll(c.profile); err == nil {
			return nil
		}
	}
	return fmt.Errorf("deleting Chromium's profile: %w", err)
}

func (c *chromium) listen(from io.ReadCloser) {
	defer close(c.done)
	defer func() { _ = from.Close() }()
	messages := bufio.NewScanner(from)
	messages.Buffer(nil, maxMessage)
	messages.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		for i, b := range data {
			if b == 0 {
				return i + 1, data[:i], nil
			}
		}
		return 0, nil, nil
	})
	for messages.Scan() {
		var m answer
		if json.Unmarshal(messages.Bytes(), &m) != nil {
			continue
		}
		c.mu.Lock()
		if waiting, ok := c.answers[m.ID]; ok && m.ID != 0 {
			delete(c.answers, m.ID)
			waiting <- m
		}
		p := c.pages[m.SessionID]
		c.mu.Unlock()
		if p != nil && m.Method == "Network.requestWillBeSent" {
			p.requested(m.Params)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = errors.New("Chromium is gone")
	for _, waiting := range c.answers {
		close(waiting)
	}
	c.answers = nil
}

// call sends one command, of a page or with no session of the browser, and
// waits for its answer.
func (c *chromium) call(ctx context.Context, session, method string, params map[string]any, result any) error {
	c.mu.Lock()
	if c.gone != nil {
		defer c.mu.Unlock()
		return c.gone
	}
	c.last++
	id, waiting := c.last, make(chan answer, 1)
	message := map[string]any{"id": id, "method": method, "params": params}
	if params == nil {
		message["params"] = map[string]any{}
	}
	if session != "" {
		message["sessionId"] = session
	}
	raw, err := json.Marshal(message)
	if err == nil {
		c.answers[id] = waiting
		_, err = c.to.Write(append(raw, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("telling Chromium %s: %w", method, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for Chromium's %s: %w", method, ctx.Err())
	case m, ok := <-waiting:
		switch {
		case !ok:
			return fmt.Errorf("waiting for Chromium's %s: it is gone", method)
		case m.Error != nil:
			return fmt.Errorf("Chromium's %s: %s", method, m.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(m.Result, result)
	}
}

// page is one tab, with cookies of its own: as another person's browser.
type page struct {
	t       *testing.T
	c       *chromium
	ctx     context.Context //nolint:containedctx // a test's
	session string

	mu      sync.Mutex
	outside []string // what it asked of others than this machine
}

func (c *chromium) page(ctx context.Context, t *testing.T) *page {
	t.Helper()
	var browserContext struct{ BrowserContextID string }
	require.NoError(t, c.call(ctx, "", "Target.createBrowserContext", nil, &browserContext))
	var target struct{ TargetID string }
	require.NoError(t, c.call(ctx, "", "Target.createTarget", map[string]any{
		"url": "about:blank", "browserContextId": browserContext.BrowserContextID, "width": width, "height": height,
	}, &target))
	var attached struct{ SessionID string }
	require.NoError(t, c.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached))
	p := &page{t: t, c: c, ctx: ctx, session: attached.SessionID}
	c.mu.Lock()
	c.pages[p.session] = p
	c.mu.Unlock()
	p.call("Network.enable", nil, nil)
	p.call("Page.enable", nil, nil)
	p.size(width, height)
	p.light("light")
	t.Cleanup(func() {
		if t.Failed() {
			p.explain()
		}
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, c.call(end, "", "Target.disposeBrowserContext", map[string]any{"browserContextId": browserContext.BrowserContextID}, nil))
		require.Empty(t, p.outside, "a page asked something of another machine")
	})
	return p
}

func (p *page) requested(params json.RawMessage) {
	var sent struct {
		Request struct{ URL string }
	}
	if json.Unmarshal(params, &sent) != nil {
		return
	}
	u, err := url.Parse(sent.Request.URL)
	if err != nil || u.Hostname() == "127.0.0.1" || u.Scheme == "data" || u.Scheme == "blob" || u.Scheme == "about" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outside = append(p.outside, u.Scheme+"://"+u.Host)
}

func (p *page) call(method string, params map[string]any, result any) {
	p.t.Helper()
	require.NoError(p.t, p.c.call(p.ctx, p.session, method, params, result))
}

// size makes the window of a desk so large.
func (p *page) size(width, height int) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// phone makes it a small one that is held in a hand.
func (p *page) phone() {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true}, nil)
}

// light is what the reader prefers: "light" or "dark".
func (p *page) light(scheme string) {
	p.t.Helper()
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]any{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// open goes to an address and waits until its document is there.
func (p *page) open(address string) {
	p.t.Helper()
	var navigated struct{ ErrorText string }
	p.call("Page.navigate", map[string]any{"url": address}, &navigated)
	require.Empty(p.t, navigated.ErrorText, "opening a page")
}

// eval runs a JavaScript expression in the page. While the page changes, there is
// none to run it in: then it is run again, in the next.
func (p *page) eval(expression string, result any) error {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.evaluate(expression, result)
		if !errors.Is(err, errPageChanged) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-p.ctx.Done():
			return p.ctx.Err()
		case <-tick.C:
		}
	}
}

var errPageChanged = errors.New("the page changed meanwhile")

func (p *page) evaluate(expression string, result any) error {
	var out struct {
		Result struct {
			Value json.RawMessage
		}
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.c.call(p.ctx, p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
	// Chromium has no code for it, only words (156, read 2026-11).
	for _, words := range []string{"Inspected target navigated or closed", "Cannot find default execution context", "Execution context was destroyed"} {
		if err != nil && strings.Contains(err.Error(), words) {
			return fmt.Errorf("%w: %s", errPageChanged, words)
		}
	}
	if err != nil {
		return err
	}
	if e := out.ExceptionDetails; e != nil {
		return fmt.Errorf("in the page: %s %s", e.Text, e.Exception.Description)
	}
	if result == nil || len(out.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(out.Result.Value, result)
}

// until polls a JavaScript condition. Of a document that is still being read, half
// may be missing: there it does not hold.
func (p *page) until(what, condition string) {
	p.t.Helper()
	condition = `document.readyState !== "loading" && (` + condition + ")"
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		var holds bool
		if last = p.eval("Boolean("+condition+")", &holds); last == nil && holds {
			return
		}
		if time.Now().After(deadline) || p.ctx.Err() != nil {
			p.t.Fatalf("the page never showed: %s (%v)", what, last)
		}
		select {
		case <-p.ctx.Done():
		case <-tick.C:
		}
	}
}

// everything is all text that a person sees, in frames of the same origin, too,
// and what stands in fields.
const everything = `(function text(d) {
	let s = d.body ? d.body.innerText : "";
	for (const f of d.querySelectorAll("iframe")) { if (f.contentDocument) s += "\n" + text(f.contentDocument); }
	return s;
})(document)`

func (p *page) text() string {
	p.t.Helper()
	var s string
	require.NoError(p.t, p.eval(everything, &s))
	return s
}

// shows waits until the page shows the words.
func (p *page) shows(words string) {
	p.t.Helper()
	p.until(words, everything+".includes("+quote(words)+")")
}

// element is a JavaScript expression for the first visible match of a CSS
// selector whose first line is that text, if there is one.
func element(selector, text string) string {
	return `[...document.querySelectorAll(` + quote(selector) + `)].find(e => e.getClientRects().length > 0 && !e.disabled && (` +
		quote(text) + ` === "" || e.innerText.trim().split("\n")[0] === ` + quote(text) + `))`
}

// click moves the mouse to an element and presses it. What moves away meanwhile
// is tried again.
func (p *page) click(selector, text string) {
	p.t.Helper()
	at := element(selector, text)
	what := fmt.Sprintf("%s “%s”", selector, text)
	deadline := time.Now().Add(patience)
	for hit := false; !hit; {
		require.True(p.t, time.Now().Before(deadline), "%s can't be hit", what)
		p.until(what+" to click", at)
		var aim struct {
			X, Y  float64
			Ready bool
		}
		require.NoError(p.t, p.eval(`(async () => {
			const e = `+at+`; if (!e) return {};
			e.scrollIntoView({block: "center", behavior: "instant"});
			const before = e.getBoundingClientRect();
			await new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)));
			const b = e.getBoundingClientRect(), x = b.x + b.width / 2, y = b.y + b.height / 2;
			window.debriefAimed = true; window.debriefHit = false;
			// The element may be replaced by its like before the mouse is there.
			document.addEventListener("click", c => { const now = `+at+`; if (now && now.contains(c.target)) window.debriefHit = true; }, {once: true, capture: true});
			return {x, y, ready: b.x === before.x && b.y === before.y && e.contains(document.elementFromPoint(x, y))};
		})()`, &aim))
		if !aim.Ready {
			continue
		}
		for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
			p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": aim.X, "y": aim.Y, "button": "left", "clickCount": 1}, nil)
		}
		// Another page by now: then that was the click's doing.
		require.NoError(p.t, p.eval(`!window.debriefAimed || window.debriefHit`, &hit))
	}
}

// typeInto clicks on an element and types.
func (p *page) typeInto(selector, text string) {
	p.t.Helper()
	p.click(selector, "")
	p.call("Input.insertText", map[string]any{"text": text}, nil)
}

// screenshot saves what the window shows, if DEBRIEF_SCREENSHOTS names a folder.
func (p *page) screenshot(name string) {
	p.t.Helper()
	dir := os.Getenv("DEBRIEF_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.capture(filepath.Join(dir, name+".png"), false)
}

// picture saves the whole page, however long, likewise.
func (p *page) picture(name string) {
	p.t.Helper()
	if dir := os.Getenv("DEBRIEF_SCREENSHOTS"); dir != "" {
		p.capture(filepath.Join(dir, name+".png"), true)
	}
}

func (p *page) capture(path string, whole bool) {
	// Organizations under test have a number in their names.
	_ = p.eval(`(() => { const e = document.querySelector(".who span"); if (e) e.textContent = e.textContent.replace(/, brightwater-[0-9a-f]+$/, ", Brightwater Analytics"); })()`, nil)
	var shot struct{ Data string }
	options := map[string]any{"format": "png", "optimizeForSpeed": false}
	if whole {
		var size struct {
			CSSContentSize struct{ Width, Height float64 }
		}
		p.call("Page.getLayoutMetrics", nil, &size)
		options["captureBeyondViewport"] = true
		options["clip"] = map[string]any{"x": 0, "y": 0, "width": size.CSSContentSize.Width, "height": size.CSSContentSize.Height, "scale": 1}
	}
	p.call("Page.captureScreenshot", options, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(p.t, err)
	require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(p.t, os.WriteFile(path, png, 0o644)) //nolint:gosec // for the documentation
}

// explain says what the page showed when a test failed.
func (p *page) explain() {
	var s, address string
	if err := p.eval(everything, &s); err != nil {
		p.t.Logf("the page can't be read: %v", err)
		return
	}
	_ = p.eval("location.origin + location.pathname", &address)
	p.t.Logf("%s showed:\n%s", address, strings.TrimSpace(s))
	p.screenshot("failed-" + strings.ReplaceAll(p.t.Name(), "/", "-"))
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
