package hubspot

import "context"

// Observed returns a copy of the client that tells f, too, of every call when it
// is over, as [Options].OnResponse does: for whoever is handed a client and has to
// count its calls.
func (c *Client) Observed(f func(context.Context, ResponseInfo)) *Client {
	copied := *c
	copied.onResponse = func(ctx context.Context, info ResponseInfo) {
		if c.onResponse != nil {
			c.onResponse(ctx, info)
		}
		f(ctx, info)
	}
	return &copied
}
