// Package projects holds the files that tell HubSpot and Slack of Debrief, as
// templates: `debrief hubspot init` writes them with an installation's own
// addresses.
package projects

import "embed"

// Files has a HubSpot project for each kind of app, account and user, and a
// manifest for Slack. In them https://debrief.example stands for the public URL.
//
//go:embed account user slack-manifest.json
var Files embed.FS
