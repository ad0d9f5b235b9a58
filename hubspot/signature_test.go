package hubspot_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
)

// The vectors of developers.hubspot.com, "Validating requests from HubSpot".
const (
	vectorSecret  = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	vectorWebhook = `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`
	vectorURI     = "https://www.example.com/webhook_uri"
	vectorBody    = `{"example_field":"example_value"}`
)

func TestSignatureV1(t *testing.T) {
	t.Parallel()
	const official = "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
	require.NoError(t, hubspot.VerifyV1(vectorSecret, []byte(vectorWebhook), official))
	require.ErrorIs(t, hubspot.VerifyV1(vectorSecret, []byte(vectorWebhook+" "), official), hubspot.ErrSignature)
	require.ErrorIs(t, hubspot.VerifyV1("another", []byte(vectorWebhook), official), hubspot.ErrSignature)
	for _, bad := range []string{"", "zz", official[:62], official + "00"} {
		require.ErrorIs(t, hubspot.VerifyV1(vectorSecret, []byte(vectorWebhook), bad), hubspot.ErrSignature, bad)
	}
}

func TestSignatureV2(t *testing.T) {
	t.Parallel()
	const get, post = "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
	require.NoError(t, hubspot.VerifyV2(vectorSecret, "GET", vectorURI, nil, get))
	require.NoError(t, hubspot.VerifyV2(vectorSecret, "POST", vectorURI, []byte(vectorBody), post))
	require.ErrorIs(t, hubspot.VerifyV2(vectorSecret, "POST", vectorURI, nil, get), hubspot.ErrSignature)
}

func TestSignatureV3(t *testing.T) {
	t.Parallel()
	const at = "1700000000000"
	// Worked out apart from this code, with the official secret and address.
	const small, webhook = "rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o=", "/pXDSgWeGksQpwCsgqd43P0eY6gBIse9UX0tfkudUrE="
	sent := time.UnixMilli(1700000000000)
	tests := map[string]struct {
		body, signature, timestamp string
		now                        time.Time
		want                       error
	}{
		"small":                    {vectorBody, small, at, sent, nil},
		"webhook":                  {vectorWebhook, webhook, at, sent, nil},
		"plus became a space":      {vectorBody, strings.ReplaceAll(small, "+", " "), at, sent, nil},
		"five minutes old":         {vectorBody, small, at, sent.Add(5 * time.Minute), nil},
		"older":                    {vectorBody, small, at, sent.Add(5*time.Minute + time.Millisecond), hubspot.ErrSignatureTime},
		"from the future":          {vectorBody, small, at, sent.Add(-6 * time.Minute), hubspot.ErrSignatureTime},
		"another timestamp":        {vectorBody, small, "1700000000001", sent, hubspot.ErrSignature},
		"no timestamp":             {vectorBody, small, "", sent, hubspot.ErrSignatureTime},
		"a timestamp beyond int64": {vectorBody, small, "99999999999999999999", sent, hubspot.ErrSignatureTime},
		"a negative timestamp":     {vectorBody, small, "-9223372036854775808", sent, hubspot.ErrSignatureTime},
		"another body":             {vectorBody + "\n", small, at, sent, hubspot.ErrSignature},
		"no signature":             {vectorBody, "", at, sent, hubspot.ErrSignature},
		"no base64":                {vectorBody, "%%%", at, sent, hubspot.ErrSignature},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, hubspot.VerifyV3(vectorSecret, "POST", vectorURI, []byte(tt.body), tt.signature, tt.timestamp, tt.now), tt.want)
		})
	}
	require.ErrorIs(t, hubspot.VerifyV3("", "POST", vectorURI, nil, sign("", "POST"+vectorURI+at), at, sent), hubspot.ErrSignature, "an empty secret verifies nothing")
}

func sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignatureV3TakesTheAddressDecodedOrNot(t *testing.T) {
	t.Parallel()
	const uri, decoded = "https://d.example/h/a%40b%2Fc?q=x%20y", "https://d.example/h/a@b/c?q=x%20y"
	now := time.UnixMilli(1700000000000)
	at := strconv.FormatInt(now.UnixMilli(), 10)
	for _, signed := range []string{uri, decoded} {
		require.NoError(t, hubspot.VerifyV3(vectorSecret, "POST", uri, []byte("b"), sign(vectorSecret, "POST"+signed+"b"+at), at, now), signed)
	}
	require.Error(t, hubspot.VerifyV3(vectorSecret, "POST", uri, []byte("b"), sign(vectorSecret, "POST"+"https://d.example/h/a@b/c?q=x y"+"b"+at), at, now))
}

func TestSignatureV3DecodesTheEscapesOfHubSpotsPageAndNoOthers(t *testing.T) {
	t.Parallel()
	const host = "https://d.example/"
	now := time.UnixMilli(1700000000000)
	at := strconv.FormatInt(now.UnixMilli(), 10)
	believed := func(uri, signed string) bool {
		return hubspot.VerifyV3(vectorSecret, "POST", host+uri, nil, sign(vectorSecret, "POST"+host+signed+at), at, now) == nil
	}
	for escape, plain := range map[string]string{
		"%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")", "%2A": "*", "%2C": ",", "%3B": ";",
	} {
		require.True(t, believed(escape, plain), escape)
		require.True(t, believed(strings.ToLower(escape)+"x?a=b", plain+"x?a=b"), escape)
	}
	for escape, plain := range map[string]string{"%20": " ", "%25": "%", "%23": "#", "%26": "&", "%2B": "+", "%3D": "=", "%253A": ":", "%253a": "%3A"} {
		require.False(t, believed(escape, plain), escape)
		require.True(t, believed(escape, escape), escape)
	}
}
