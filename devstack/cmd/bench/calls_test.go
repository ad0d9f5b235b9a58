package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloorsOf(t *testing.T) {
	t.Parallel()
	const page = "# Calls\n\n## One\n\n| step | endpoint | floor | ours | why |\n|---|---|--:|--:|---|\n" +
		"| first   | `GET /a`  |      1 |      1 | |\n| again   | `GET /a`  |      0 |      2 | |\n| last | `POST /b` |     1 |      1 | |\n" +
		"| **all** |           |  **2** |  **4** | |\n\n### More\n\n| other | `GET /c` | 5 | 5 | |\n\n## Two\n\nNo table.\n"
	floors, reasoned, err := floorsOf(page, "One")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"GET /a": 1, "POST /b": 1}, floors)
	require.Equal(t, 4, reasoned)
	_, _, err = floorsOf(page, "Two")
	require.ErrorContains(t, err, "no table")
	_, _, err = floorsOf(page, "Three")
	require.ErrorContains(t, err, "no section")
}
