package chaos

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is looked for is found in every form, wherever it begins.
func TestNeedlesAreFound(t *testing.T) {
	t.Parallel()
	n := newNeedles()
	n.add("word", wordSaid)
	for pad := range 5 {
		whole := []byte(strings.Repeat("a", pad) + wordSaid + "bcd")
		for _, place := range []string{string(whole), strings.ToUpper(string(whole)), hex.EncodeToString(whole), base64.StdEncoding.EncodeToString(whole)} {
			require.Equal(t, []string{"word"}, n.in("x "+place+" y"), place)
		}
	}
	require.Empty(t, n.in("Gorse barrow"))
	require.Equal(t, []string{"e-mail address"}, n.in("to Guest@m00001.example."))
	require.Empty(t, n.in("at m00001.example"))
}
