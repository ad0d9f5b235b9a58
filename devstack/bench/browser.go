package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/debriefhq/debrief/store"
)

// A Browser is signed in as the host of an account.
type Browser struct {
	world *World
	http  *http.Client
}

// SignIn signs a browser in by a link for once.
func (w *World) SignIn(ctx context.Context, a *Account) (*Browser, error) {
	link, err := w.Store.CreateSignInLink(ctx, store.SignedIn{OrganizationID: &a.Organization.ID, PersonID: &a.person})
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("preparing a browser: %w", err)
	}
	b := &Browser{world: w, http: &http.Client{
		Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return b, b.Submit(ctx, "/session/"+link.Reveal(), nil)
}

// Load loads a page, and says how long that took and how large it is.
func (b *Browser) Load(ctx context.Context, path string) (took time.Duration, size int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.world.PublicURL()+path, nil)
	if err != nil {
		return 0, 0, fmt.Errorf("loading %s: %w", path, err)
	}
	begun := time.Now()
	response, err := b.http.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("loading %s: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	size, err = io.Copy(io.Discard, response.Body)
	took = time.Since(begun)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answers %s", response.Status)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("loading %s: %w", path, err)
	}
	return took, size, nil
}

// Submit sends a form as a page of Debrief's does, which leads on to another one.
func (b *Browser) Submit(ctx context.Context, path string, form url.Values) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.world.PublicURL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("sending a form: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", b.world.PublicURL())
	response, err := b.http.Do(request)
	if err != nil {
		return fmt.Errorf("sending a form: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusSeeOther {
		return fmt.Errorf("a form was answered %s", response.Status)
	}
	return nil
}
