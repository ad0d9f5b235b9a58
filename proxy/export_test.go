package proxy

// IsAPIForTest says whether connections to a host are answered here.
func IsAPIForTest(host string) bool { return apiHost.MatchString(hostname(host)) }
