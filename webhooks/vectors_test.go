package webhooks

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// vectorsEnv names a directory with vectors.json: signed deliveries from elsewhere,
// each with its secret, clock and verdict. Those of testdata/signed are always run.
const vectorsEnv = "DEBRIEF_WEBHOOK_VECTORS"

type vector struct {
	ID       string `json:"id"`
	Platform string `json:"platform"`
	Query    string `json:"query"`
	Secret   struct {
		Value string `json:"value"`
	} `json:"secret"`
	Headers  map[string]string `json:"headers"`
	BodyFile string            `json:"body_file"`
	Now      int64             `json:"now"`
	Expect   string            `json:"expect"` // accept, reject, or policy: accept
	Dedupe   string            `json:"dedupe"`
	Response struct {
		JSON json.RawMessage `json:"json"`
	} `json:"response"`
}

// Every vector goes through the real endpoint, with its own clock: what is to be
// accepted is stored or answered, what is to be refused leaves nothing.
func TestVectors(t *testing.T) { //nolint:tparallel // one receiver, in order
	t.Parallel()
	directories := []string{filepath.Join("testdata", "signed")}
	if elsewhere := os.Getenv(vectorsEnv); elsewhere != "" {
		directories = append(directories, elsewhere)
	}
	b := setup(t)
	for _, directory := range directories {
		raw, err := os.ReadFile(filepath.Join(directory, "vectors.json"))
		require.NoError(t, err)
		var all struct {
			Vectors []vector `json:"vectors"`
		}
		require.NoError(t, json.Unmarshal(raw, &all))
		require.NotEmpty(t, all.Vectors)
		for _, v := range all.Vectors {
			if v.Platform == "standard-webhooks" {
				v.Platform = "debrief"
			}
			if _, known := Platforms()[v.Platform]; !known {
				require.Equal(t, "slack", v.Platform, "%s is of a platform that is not received here", v.ID)
				continue // received, and tested, where questions are answered
			}
			t.Run(v.ID, func(t *testing.T) {
				body, err := os.ReadFile(filepath.Join(directory, v.BodyFile))
				require.NoError(t, err)
				source := b.source(t, v.Platform, store.Secret(v.Secret.Value))
				receiver := NewReceiver(ReceiverOptions{
					Store: b.store, Platforms: Platforms(), PublicURL: "https://debrief.example", Log: zerolog.Nop(),
					Now: func() time.Time { return time.Unix(v.Now, 0) },
				})
				engine := gin.New()
				receiver.Register(engine)
				server := httptest.NewServer(engine)
				defer server.Close()
				header := http.Header{}
				for name, value := range v.Headers {
					header.Set(name, value)
				}
				got := send(t, server.URL+"/webhooks/"+source.ID.String()+query(v.Query), header, bytes.NewReader(body))
				stored, err := b.store.Deliveries(t.Context(), store.DeliveryFilter{SourceID: source.ID})
				require.NoError(t, err)
				if v.Expect == "reject" {
					require.Equal(t, http.StatusUnauthorized, got.status)
					require.Empty(t, stored)
					return
				}
				require.Equal(t, http.StatusOK, got.status, got.body)
				if v.Response.JSON != nil {
					require.JSONEq(t, string(v.Response.JSON), got.body)
					require.Empty(t, stored, "a challenge is no delivery")
					return
				}
				require.Len(t, stored, 1)
				kept, err := b.store.Body(t.Context(), stored[0].ID)
				require.NoError(t, err)
				require.Equal(t, body, kept)
				if v.Dedupe != "" {
					require.Equal(t, v.Dedupe, stored[0].DedupeKey)
				}
			})
		}
	}
}

func query(s string) string {
	if s == "" {
		return ""
	}
	return "?" + s
}
