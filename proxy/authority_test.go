package proxy

import (
	"crypto/rand"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever trusts a run's authority is exposed to nothing else by that, even if its key
// got out.
func TestTheAuthorityVouchesForHubSpotAlone(t *testing.T) {
	t.Parallel()
	a, err := newAuthority()
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	require.True(t, a.certificate.IsCA)
	require.True(t, a.certificate.MaxPathLenZero)
	require.True(t, a.certificate.PermittedDNSDomainsCritical)
	require.WithinDuration(t, time.Now().Add(certificateAge), a.certificate.NotAfter, time.Minute)
	verify := func(names []string, ips ...net.IP) error {
		template := &x509.Certificate{
			SerialNumber: serial(), NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter, DNSNames: names, IPAddresses: ips,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, a.key.Public(), a.key)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(raw)
		require.NoError(t, err)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: roots})
		return err
	}
	require.NoError(t, verify([]string{"api.hubapi.com"}))
	require.NoError(t, verify([]string{"api-eu1.hubapi.com"}))
	require.Error(t, verify([]string{"evil.example"}))
	require.Error(t, verify([]string{"api.hubapi.com", "evil.example"}))
	require.Error(t, verify([]string{"hubapi.com.evil.example"}))
	require.Error(t, verify([]string{"api.hubapi.com"}, net.IPv4(127, 0, 0, 1)))
	require.Error(t, verify(nil, net.IPv6loopback))
}
