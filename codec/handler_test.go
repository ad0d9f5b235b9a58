package codec_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/debriefhq/debrief/codec"
)

const ui = "http://127.0.0.1:8233"

func newHandler(t *testing.T, k codec.Keys) http.Handler {
	t.Helper()
	h, err := codec.NewHandler(k, codec.HandlerOptions{
		Origin: ui, Token: "the-token",
		SignedIn: func(r *http.Request) bool { return r.Header.Get("Cookie") == "debrief_session=good" },
	})
	require.NoError(t, err)
	return h
}

// call asks as the Temporal UI does, from the browser of somebody signed in.
func call(t *testing.T, h http.Handler, path string, payloads []*commonpb.Payload, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, path+"?preserveStorageRefs=true", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Namespace", "default")
	r.Header.Set("Origin", ui)
	r.Header.Set("Cookie", "debrief_session=good")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func payloadsOf(t *testing.T, w *httptest.ResponseRecorder) []*commonpb.Payload {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var out commonpb.Payloads
	require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), &out))
	return out.Payloads
}

func jsonPayload(text string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(text)}
}

func TestHandlerDecodes(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, _ := k.meeting(t)
	gone, goneKey := k.meeting(t)
	dc := codec.NewDataConverter(k)
	seal := func(m uuid.UUID) *commonpb.Payload {
		p, err := converter.WithDataConverterSerializationContext(dc, inWorkflow(followUp(m))).ToPayload(words)
		require.NoError(t, err)
		return p
	}
	kept, erased := seal(meeting), seal(gone)
	k.erase(goneKey)
	spoilt := seal(meeting)
	spoilt.Data[len(spoilt.Data)-1] ^= 1

	out := payloadsOf(t, call(t, newHandler(t, k), "/codec/decode", []*commonpb.Payload{kept, erased, jsonPayload(`"plain"`), spoilt}))
	require.Len(t, out, 4)
	require.Equal(t, `"`+words+`"`, string(out[0].Data))
	require.Equal(t, "json/plain", string(out[0].Metadata["encoding"]))
	require.JSONEq(t, `{"debrief":"erased"}`, string(out[1].Data))
	require.Equal(t, "json/plain", string(out[1].Metadata["encoding"]))
	require.Equal(t, `"plain"`, string(out[2].Data))
	require.Contains(t, string(out[3].Data), "not at hand")

	k.setAway(errors.New("dial tcp 10.0.0.1: refused"))
	w := call(t, newHandler(t, k), "/codec/decode", []*commonpb.Payload{kept})
	require.Equal(t, http.StatusServiceUnavailable, w.Code, "the UI tries a 5xx again")
	require.NotContains(t, w.Body.String(), "10.0.0.1")
}

func TestHandlerEncodesUnderTheKeyOfTheQuestion(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	_, meetingKey := k.meeting(t)
	_, erasedKey := k.meeting(t)
	known, erased := uuid.New(), uuid.New()
	k.approvals[known], k.approvals[erased] = meetingKey, erasedKey
	k.erase(erasedKey)
	for text, want := range map[string]uuid.UUID{
		`{"approval":"` + known.String() + `","edit":{"amount":"12"}}`: meetingKey,
		`{"approval":" ` + strings.ToUpper(known.String()) + ` "}`:     meetingKey,
		`{"approval":"` + erased.String() + `"}`:                       k.installation,
		`{"approval":"` + uuid.NewString() + `"}`:                      k.installation,
		`{"approval":17}`:            k.installation,
		`["` + known.String() + `"]`: k.installation,
		`not json`:                   k.installation,
		`{"nested":{"approval":"` + known.String() + `"}}`:                 k.installation,
		strings.Repeat(`[`, 20_000) + known.String():                       k.installation,
		`{"approval":"` + known.String() + `","approval":"no longer one"}`: k.installation,
	} {
		plain := jsonPayload(text)
		out := payloadsOf(t, call(t, newHandler(t, k), "/codec/encode", []*commonpb.Payload{plain}))
		require.Len(t, out, 1)
		require.Equal(t, want.String(), keyOf(out[0]), text[:min(len(text), 80)])
		back, err := codec.New(k).Decode(out)
		require.NoError(t, err)
		require.Equal(t, text, string(back[0].Data))
	}
}

func TestHandlerLetsIn(t *testing.T) {
	t.Parallel()
	h := newHandler(t, newKeys(t))
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"signed in", func(*http.Request) {}, 200},
		{"nobody", func(r *http.Request) { r.Header.Del("Cookie") }, 401},
		{"another session", func(r *http.Request) { r.Header.Set("Cookie", "debrief_session=bad") }, 401},
		{"bearer, as a program", func(r *http.Request) {
			r.Header.Del("Cookie")
			r.Header.Del("Origin")
			r.Header.Set("Authorization", "Bearer the-token")
		}, 200},
		{"wrong bearer", func(r *http.Request) { r.Header.Del("Cookie"); r.Header.Set("Authorization", "Bearer the-toke") }, 401},
		{"empty bearer", func(r *http.Request) { r.Header.Del("Cookie"); r.Header.Set("Authorization", "Bearer ") }, 401},
		{"another origin", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8234") }, 403},
		{"localhost is another", func(r *http.Request) { r.Header.Set("Origin", "http://localhost:8233") }, 403},
		{"origin null", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"prefix of the origin", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:823") }, 403},
		{"a form's content type", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"get", func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"another path", func(r *http.Request) { r.URL.Path = "/codec/download" }, 404},
	} {
		w := call(t, h, "/codec/decode", nil, test.change)
		require.Equal(t, test.status, w.Code, test.name)
		if test.status == 403 {
			require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"), test.name)
		}
	}
	for _, body := range []string{"", "[]", `{"payloads":[{"data":17}]}`, `{"payloads":` + strings.Repeat("[", 100_000)} {
		r := httptest.NewRequest(http.MethodPost, "/codec/decode", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer the-token")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code)
	}
}

func TestHandlerWithoutTokenOrSessionLetsNobodyIn(t *testing.T) {
	t.Parallel()
	h, err := codec.NewHandler(newKeys(t), codec.HandlerOptions{})
	require.NoError(t, err)
	for _, authorization := range []string{"", "Bearer ", "Bearer x"} {
		w := call(t, h, "/codec/decode", nil, func(r *http.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Authorization", authorization)
		})
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
	require.Equal(t, http.StatusForbidden, call(t, h, "/codec/decode", nil).Code, "no origin is allowed")
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	h := newHandler(t, newKeys(t))
	ask := func(origin string) http.Header {
		r := httptest.NewRequest(http.MethodOptions, "/codec/decode", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type,x-namespace")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusNoContent, w.Code)
		return w.Header()
	}
	allowed := ask(ui)
	require.Equal(t, ui, allowed.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", allowed.Get("Access-Control-Allow-Credentials"))
	require.Contains(t, allowed.Get("Access-Control-Allow-Headers"), "X-Namespace")
	require.Equal(t, "Origin", allowed.Get("Vary"))
	refused := ask("https://evil.example")
	require.Empty(t, refused.Get("Access-Control-Allow-Origin"))
	require.Empty(t, refused.Get("Access-Control-Allow-Credentials"))

	for _, origin := range []string{"*", "null", "127.0.0.1:8233", ui + "/", ui + "/path", "ftp://x.example"} {
		_, err := codec.NewHandler(newKeys(t), codec.HandlerOptions{Origin: origin})
		require.Error(t, err, origin)
	}
}
