package webhooks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// These keys are made once: making one takes longer than a test.
var (
	googleKey      = sync.OnceValue(newGoogleRSA) // Google's, for OpenID Connect
	otherGoogleKey = sync.OnceValue(newGoogleRSA)
	accountKey     = sync.OnceValue(newGoogleRSA) // the service account's
)

func newGoogleRSA() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

const (
	pusher       = "push@harbor.iam.gserviceaccount.com"
	reader       = "debrief@harbor.iam.gserviceaccount.com"
	inesAt       = "ines@harbor.example"
	joaoAt       = "joao@harbor.example"
	meetTopic    = "projects/harbor/topics/meet-events"
	meetRoom     = "https://meet.google.com/hbr-nrth-wnd"
	meetCalled   = "conferenceRecords/harbor-1"
	calendarPath = "/calendar/v3/calendars/primary/events"
)

// googleDouble is Google's side: tokens, keys, Calendar with marks and pages, Meet,
// subscriptions, documents, and Pub/Sub, which pushes.
type googleDouble struct {
	*httptest.Server

	mu sync.Mutex
	// granted are the scopes that are delegated; people the numbers of those who
	// have an account.
	granted []string
	people  map[string]string
	tokens  map[string][2]string // access token: person and scope
	issued  int
	keys    []jose.JSONWebKey
	// failing are the answers that the next calls of a path get instead.
	failing map[string][]googleFailure
	calls   []string

	// A calendar is a row of changes; a mark is how many of them were seen.
	calendars map[string][]calendarEntry
	forgotten int // marks below this one are forgotten
	pageSize  int
	channels  map[string]map[string]string
	life      time.Duration

	meet          map[string]any
	seenBy        map[string]bool // who may see conferences; nil: everybody
	subscriptions map[string]map[string]any
	documents     map[string]string
	now           func() time.Time
}

type googleFailure struct {
	status int
	body   string
	header http.Header
}

func newGoogleDouble(t *testing.T) *googleDouble {
	t.Helper()
	g := &googleDouble{
		granted: []string{scopeCalendar, scopeMeet, scopeDrive, scopeWho},
		people:  map[string]string{inesAt: "1001", joaoAt: "1002"},
		tokens:  map[string][2]string{}, failing: map[string][]googleFailure{}, calendars: map[string][]calendarEntry{}, pageSize: 2,
		channels: map[string]map[string]string{}, meet: map[string]any{}, subscriptions: map[string]map[string]any{}, documents: map[string]string{},
		keys: []jose.JSONWebKey{{Key: &googleKey().PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}},
		life: 7 * 24 * time.Hour, now: func() time.Time { return now },
	}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(g.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return g
}

func (g *googleDouble) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	path := r.URL.Path
	g.calls = append(g.calls, r.Method+" "+path)
	if queue := g.failing[path]; len(queue) > 0 {
		g.failing[path] = queue[1:]
		maps.Copy(w.Header(), queue[0].header)
		w.WriteHeader(queue[0].status)
		_, _ = w.Write([]byte(queue[0].body))
		return
	}
	switch path {
	case "/certs":
		answerJSON(w, 200, jose.JSONWebKeySet{Keys: g.keys})
		return
	case "/token":
		g.token(w, r)
		return
	}
	who, found := g.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !found {
		answerJSON(w, 401, map[string]any{"error": map[string]any{"code": 401, "status": "UNAUTHENTICATED"}})
		return
	}
	person, scope := who[0], who[1]
	need := map[string]string{"/calendar": scopeCalendar, "/oauth2": scopeWho, "/drive": scopeDrive, "/v1": scopeMeet, "/v2": scopeMeet}
	for prefix, wants := range need {
		if strings.HasPrefix(path, prefix+"/") && scope != wants {
			answerJSON(w, 403, map[string]any{"error": map[string]any{"code": 403, "errors": []any{map[string]any{"reason": "insufficientPermissions"}}}})
			return
		}
	}
	switch {
	case path == "/oauth2/v2/userinfo":
		answerJSON(w, 200, map[string]any{"id": g.people[person], "email": person})
	case path == calendarPath:
		g.list(w, r, person)
	case path == calendarPath+"/watch":
		g.watch(w, r, person)
	case path == "/calendar/v3/channels/stop":
		var in map[string]string
		_ = json.NewDecoder(r.Body).Decode(&in)
		if g.channels[in["id"]]["resourceId"] != in["resourceId"] {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		delete(g.channels, in["id"])
		w.WriteHeader(http.StatusNoContent)
	case strings.HasPrefix(path, "/v1/subscriptions"):
		g.subscribe(w, r, person)
	case strings.HasPrefix(path, "/drive/v3/files/"):
		text, found := g.documents[strings.TrimSuffix(strings.TrimPrefix(path, "/drive/v3/files/"), "/export")]
		if !found || r.URL.Query().Get("mimeType") != "text/markdown" {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "text/markdown")
		_, _ = w.Write([]byte(text))
	case strings.HasPrefix(path, "/v2/"):
		g.resource(w, r, person)
	default:
		http.Error(w, "{}", http.StatusNotFound)
	}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// token is the endpoint for access tokens: it judges the assertion as Google does.
func (g *googleDouble) token(w http.ResponseWriter, r *http.Request) {
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Scope    string `json:"scope"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	parsed, err := jwt.ParseSigned(r.PostFormValue("assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Claims(&accountKey().PublicKey, &claims) != nil || r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" ||
		claims.Issuer != reader || claims.Audience != "https://oauth2.googleapis.com/token" || claims.Expires-claims.IssuedAt > 3600 ||
		claims.Expires < time.Now().Unix() || claims.IssuedAt > time.Now().Unix() {
		answerJSON(w, 400, map[string]string{"error": "invalid_grant"})
		return
	}
	if _, known := g.people[claims.Subject]; !known {
		answerJSON(w, 400, map[string]string{"error": "invalid_grant", "error_description": "Invalid email or User ID"})
		return
	}
	if !slices.Contains(g.granted, claims.Scope) {
		answerJSON(w, 401, map[string]string{"error": "unauthorized_client"})
		return
	}
	g.issued++
	token := "at-" + strconv.Itoa(g.issued)
	g.tokens[token] = [2]string{claims.Subject, claims.Scope}
	answerJSON(w, 200, map[string]any{"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
}

// list is events.list with singleEvents: the changes since a mark, or all that is
// not over at timeMin and not cancelled; the last state of each.
func (g *googleDouble) list(w http.ResponseWriter, r *http.Request, person string) {
	q := r.URL.Query()
	changes := g.calendars[person]
	from, token := 0, q.Get("syncToken")
	if token != "" {
		if q.Has("timeMin") || q.Has("timeMax") || q.Get("singleEvents") != "true" {
			answerJSON(w, 400, map[string]any{})
			return
		}
		from, _ = strconv.Atoi(strings.TrimPrefix(token, "mark-"))
		if from < g.forgotten {
			answerJSON(w, 410, map[string]any{"error": map[string]any{"code": 410, "errors": []any{map[string]any{"reason": "fullSyncRequired"}}}})
			return
		}
	}
	moment := func(name string) time.Time { at, _ := time.Parse(time.RFC3339, q.Get(name)); return at }
	var items []calendarEntry
	seen := map[string]bool{}
	for i := len(changes) - 1; i >= from; i-- {
		e := changes[i]
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if token == "" && (e.Status == "cancelled" || !e.End.DateTime.time().After(moment("timeMin")) ||
			q.Has("timeMax") && !e.Start.DateTime.time().Before(moment("timeMax"))) {
			continue
		}
		items = append(items, e)
	}
	at, _ := strconv.Atoi(q.Get("pageToken"))
	page := map[string]any{"kind": "calendar#events", "items": items[at:min(at+g.pageSize, len(items))]}
	if at+g.pageSize < len(items) {
		page["nextPageToken"] = strconv.Itoa(at + g.pageSize)
	} else {
		page["nextSyncToken"] = "mark-" + strconv.Itoa(len(changes))
	}
	answerJSON(w, 200, page)
}

func (g *googleDouble) watch(w http.ResponseWriter, r *http.Request, person string) {
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	if in["type"] != "web_hook" || !strings.HasPrefix(in["address"], "https://") || len(in["id"]) > 64 || len(in["token"]) > 256 || g.channels[in["id"]] != nil {
		answerJSON(w, 400, map[string]any{})
		return
	}
	g.channels[in["id"]] = map[string]string{"person": person, "token": in["token"], "address": in["address"], "resourceId": "resource-" + person}
	answerJSON(w, 200, map[string]any{
		"kind": "api#channel", "id": in["id"], "resourceId": "resource-" + person,
		"expiration": strconv.FormatInt(g.now().Add(g.life).UnixMilli(), 10),
	})
}

// subscribe is the Workspace Events API. A subscription is its own person's alone,
// and there is one for each.
func (g *googleDouble) subscribe(w http.ResponseWriter, r *http.Request, person string) {
	name := strings.TrimPrefix(r.URL.Path, "/v1/")
	done := func(s map[string]any) {
		answerJSON(w, 200, map[string]any{"name": "operations/1", "done": true, "response": s})
	}
	expires := func() string { return g.now().Add(g.life).UTC().Format(time.RFC3339Nano) }
	if name == "subscriptions" {
		if r.Method == http.MethodGet {
			filter := r.URL.Query().Get("filter")
			var mine []map[string]any
			for _, s := range g.subscriptions {
				if s["person"] == person && strings.Contains(filter, `target_resource="`+s["targetResource"].(string)+`"`) && strings.Contains(filter, "event_types:") {
					mine = append(mine, s)
				}
			}
			answerJSON(w, 200, map[string]any{"subscriptions": mine})
			return
		}
		var in map[string]any
		_ = json.NewDecoder(r.Body).Decode(&in)
		if in["targetResource"] != "//cloudidentity.googleapis.com/users/"+g.people[person] || in["notificationEndpoint"].(map[string]any)["pubsubTopic"] != meetTopic {
			answerJSON(w, 400, map[string]any{})
			return
		}
		for _, s := range g.subscriptions {
			if s["person"] == person {
				answerJSON(w, 409, map[string]any{"error": map[string]any{"status": "ALREADY_EXISTS"}})
				return
			}
		}
		g.issued++
		in["name"], in["person"], in["state"], in["expireTime"] = fmt.Sprintf("subscriptions/s-%d", g.issued), person, "ACTIVE", expires()
		g.subscriptions[in["name"].(string)] = in
		done(in)
		return
	}
	bare, reactivate := strings.CutSuffix(name, ":reactivate")
	s, found := g.subscriptions[bare]
	if !found || s["person"] != person {
		answerJSON(w, 403, map[string]any{"error": map[string]any{"status": "PERMISSION_DENIED"}})
		return
	}
	switch {
	case reactivate:
		s["state"] = "ACTIVE"
		done(s)
	case r.Method == http.MethodPatch:
		s["expireTime"] = expires()
		done(s)
	case r.Method == http.MethodDelete:
		delete(g.subscriptions, bare)
		done(s)
	default:
		answerJSON(w, 200, s)
	}
}

var lists = regexp.MustCompile(`/(participants|entries)$`)

// resource is Meet's API: single things, and lists by pages.
func (g *googleDouble) resource(w http.ResponseWriter, r *http.Request, person string) {
	name := strings.TrimPrefix(r.URL.Path, "/v2/")
	v, found := g.meet[name]
	if !found || g.seenBy != nil && !g.seenBy[person] {
		answerJSON(w, 404, map[string]any{"error": map[string]any{"status": "NOT_FOUND"}})
		return
	}
	if !lists.MatchString(name) {
		answerJSON(w, 200, v)
		return
	}
	all := v.([]any)
	at, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
	field := "participants"
	if strings.HasSuffix(name, "/entries") {
		field = "transcriptEntries"
	}
	page := map[string]any{field: all[at:min(at+g.pageSize, len(all))]}
	if at+g.pageSize < len(all) {
		page["nextPageToken"] = strconv.Itoa(at + g.pageSize)
	}
	answerJSON(w, 200, page)
}

// change puts a change into somebody's calendar.
func (g *googleDouble) change(person string, e calendarEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.ETag = fmt.Sprintf(`"%s-%d"`, e.ID, len(g.calendars[person])+1)
	g.calendars[person] = append(g.calendars[person], e)
}

func (g *googleDouble) fail(path string, all ...googleFailure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failing[path] = all
}

// called counts the calls that begin so.
func (g *googleDouble) called(prefix string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// locked runs f while nothing is served.
func (g *googleDouble) locked(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// identity is a token as Pub/Sub sends it; change makes another one of it.
func identity(t testing.TB, key any, alg jose.SignatureAlgorithm, kid, audience string, change func(claims map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://accounts.google.com", "aud": audience, "azp": "1137", "sub": "1137", "email": pusher, "email_verified": true,
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(59 * time.Minute).Unix(),
	}
	if change != nil {
		change(claims)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return token
}

// unsigned is a token that says it needs no signature.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

// message is a push of an event about something of Meet's.
func message(t testing.TB, id, event, field, name string) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{field: map[string]string{"name": name}})
	require.NoError(t, err)
	raw, err := json.Marshal(map[string]any{
		"message": map[string]any{
			"attributes": map[string]string{
				"ce-type": event, "ce-id": "spaces/x/" + id, "ce-specversion": "1.0", "ce-source": "//workspaceevents.googleapis.com/subscriptions/s-1",
				"ce-subject": "//meet.googleapis.com/" + meetCalled, "ce-time": now.Format(time.RFC3339), "content-type": "application/json",
			},
			"data": base64.StdEncoding.EncodeToString(data), "messageId": id, "message_id": id, "publishTime": now.Format(time.RFC3339),
		},
		"subscription": "projects/harbor/subscriptions/debrief",
	})
	require.NoError(t, err)
	return raw
}

// serviceAccount is the JSON file that Google gives.
func serviceAccount(t testing.TB) store.Secret {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(accountKey())
	require.NoError(t, err)
	raw, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "harbor", "private_key_id": "key-1", "client_email": reader, "token_uri": "https://elsewhere.example/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	return store.Secret(raw)
}

// platforms are Debrief's, with Google's keys from the double.
func (g *googleDouble) platforms() map[string]Platform {
	all := Platforms()
	p := all["google-meet"]
	p.authentication = pushIdentity{keys: newPublishedKeys(g.URL+"/certs", &http.Transport{DisableKeepAlives: true})}
	all["google-meet"] = p
	return all
}

// entry is a call with Tom of Northwind, in Inês' calendar unless changed.
func entry(id string, start time.Time, change func(*calendarEntry)) calendarEntry {
	e := calendarEntry{
		ID: id, Status: "confirmed", Updated: moment(now.Add(-time.Hour)), Summary: harbor, EventType: "default", ICalUID: id + "@google.com",
		Start: calendarTime{DateTime: moment(start), TimeZone: "Europe/Lisbon"}, End: calendarTime{DateTime: moment(start.Add(45 * time.Minute)), TimeZone: "Europe/Lisbon"},
		Organizer: calendarPerson{Email: inesAt, Self: true},
		Attendees: []calendarPerson{
			{Email: inesAt, Name: ines.Name, Self: true, Organizer: true, Response: "accepted"},
			{Email: tom.Email, Name: tom.Name, Response: "needsAction"},
			{Email: "room-4@resource.calendar.google.com", Resource: true, Response: "accepted"},
		},
		HangoutLink: meetRoom,
	}
	if change != nil {
		change(&e)
	}
	return e
}
