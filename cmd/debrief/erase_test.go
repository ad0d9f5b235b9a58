package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErasures(t *testing.T) {
	t.Parallel()
	command := sourcesCommand(t)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"person"}, exitUsage, "name the person"},
		{[]string{"person", "--contact", "501"}, exitUsage, "name the person"},
		{[]string{"person", "--hub", "4711", "--email", "jane@northwind.example"}, exitUsage, "name the person"},
		{[]string{"list"}, exitOK, "Nobody was erased yet."},
		{[]string{"person", "--hub", "4711", "--contact", "501"}, exitOK, "knows no address of that contact"},
		{[]string{"person", "--email", "jane@northwind.example", "--json"}, exitOK, `"addresses": 1`},
		{[]string{"list"}, exitOK, "501"},
	} {
		code, out, errs := command(append([]string{"erasures"}, tc.args...)...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
		require.NotContains(t, out+errs, "northwind", "%v", tc.args)
	}
}
