package codec

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

// maxRequestBytes bounds a request: the UI asks for a page of a history, whose
// payloads Temporal caps at 2 MiB each.
const maxRequestBytes = 32 << 20

// HandlerOptions say who may read and write payloads.
type HandlerOptions struct {
	// Origin is the Temporal UI's, such as "http://127.0.0.1:8233": the only one
	// whose pages may ask with a browser's cookies. Exact, without a path. Empty:
	// none may.
	Origin string
	// Token, if set, lets in whoever sends it as a bearer token.
	Token store.Secret
	// SignedIn says whether a request carries the session of somebody who may
	// read every payload; nil: no session counts.
	SignedIn func(*http.Request) bool
}

// NewHandler returns the endpoint by which the Temporal UI decodes what it shows
// and encodes what people type: POST …/encode and …/decode, payloads as protobuf
// JSON, as of the UI's version 2.55, which calls it from the browser with
// "Content-Type: application/json", "X-Namespace", the query
// "preserveStorageRefs=true", and the cookies where its setting
// codec.includeCredentials is on. A cookie travels only if both sites are the
// same one by name: 127.0.0.1 and localhost are two.
//
// What was erased is decoded to a text that says so. What a person sends to a
// follow-up is sealed with the key of the meeting that its "approval" is about:
// the UI does not say which workflow a form belongs to.
func NewHandler(keys Keys, o HandlerOptions) (http.Handler, error) {
	if o.Origin != "" {
		u, err := url.Parse(o.Origin)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || o.Origin != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("the codec's origin %q is not one: write scheme and host only, such as http://127.0.0.1:8233", o.Origin)
		}
	}
	return &handler{codec: New(keys), keys: keys, o: o}, nil
}

type handler struct {
	codec *Codec
	keys  Keys
	o     HandlerOptions
}

// ServeHTTP answers the UI.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := origin != "" && origin == h.o.Origin
	if allowed {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method == http.MethodOptions {
		if allowed {
			w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Namespace, Authorization, Authorization-Extras")
			w.Header().Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "only POST is answered here", http.StatusMethodNotAllowed)
		return
	}
	// A page of another origin could not read the answer, but has no business
	// to ask either. Programs send no Origin.
	if origin != "" && !allowed {
		http.Error(w, "this origin may not ask", http.StatusForbidden)
		return
	}
	if !h.letIn(r) {
		http.Error(w, "sign in to Debrief in this browser as its operator, then reload", http.StatusUnauthorized)
		return
	}
	// A cross-site form cannot send this type without asking first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		http.Error(w, "the body must be application/json", http.StatusUnsupportedMediaType)
		return
	}

	convert := h.decode
	switch {
	case strings.HasSuffix(r.URL.Path, "/encode"):
		convert = h.encode
	case strings.HasSuffix(r.URL.Path, "/decode"):
	default:
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	var in commonpb.Payloads
	if err != nil || protojson.Unmarshal(body, &in) != nil {
		http.Error(w, "the body is not payloads as protobuf JSON", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*keyTimeout)
	defer cancel()
	out := &commonpb.Payloads{Payloads: make([]*commonpb.Payload, len(in.Payloads))}
	for i, p := range in.Payloads {
		if out.Payloads[i], err = convert(ctx, p); err != nil {
			// 5xx: the UI tries again, and keys may be back by then.
			http.Error(w, "the keys can't be read just now", http.StatusServiceUnavailable)
			return
		}
	}
	answer, err := protojson.Marshal(out)
	if err != nil {
		http.Error(w, "the answer can't be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

func (h *handler) letIn(r *http.Request) bool {
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && h.o.Token != "" {
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(h.o.Token.Reveal()))
		if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
			return true
		}
	}
	return h.o.SignedIn != nil && h.o.SignedIn(r)
}

// decode opens one payload, or says in its place why it can't be opened.
func (h *handler) decode(ctx context.Context, p *commonpb.Payload) (*commonpb.Payload, error) {
	opened, err := h.codec.open(ctx, p)
	switch {
	case err == nil:
		return opened, nil
	case errors.Is(err, store.ErrErased):
		return placeholder("erased"), nil
	case errors.Is(err, vault.ErrCannotOpen):
		return placeholder("sealed with keys that are not at hand"), nil
	default:
		return nil, err
	}
}

func placeholder(text string) *commonpb.Payload {
	data, _ := json.Marshal(map[string]string{"debrief": text})
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)},
		Data:     data,
	}
}

// encode seals what a person typed.
func (h *handler) encode(ctx context.Context, p *commonpb.Payload) (*commonpb.Payload, error) {
	if approval, ok := approvalOf(p); ok {
		id, key, err := h.keys.DataKeyForApproval(ctx, approval)
		switch {
		case err == nil:
			return seal(p, id, key)
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrErased):
			// The workflow will say that there is no such question.
		default:
			return nil, err
		}
	}
	id, key, err := h.keys.InstallationKey(ctx)
	if err != nil {
		return nil, err
	}
	return seal(p, id, key)
}

func approvalOf(p *commonpb.Payload) (uuid.UUID, bool) {
	if string(p.GetMetadata()[converter.MetadataEncoding]) != converter.MetadataEncodingJSON {
		return uuid.Nil, false
	}
	var typed struct {
		Approval string `json:"approval"`
	}
	if json.Unmarshal(p.Data, &typed) != nil {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(strings.TrimSpace(typed.Approval))
	return id, err == nil
}
