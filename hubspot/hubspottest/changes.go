package hubspottest

import (
	"strconv"
	"strings"
	"time"
)

// The kinds of change that webhooks and the journal tell of, by the names that
// webhook subscriptions have for them.
const (
	created            = "creation"
	deleted            = "deletion"
	propertyChanged    = "propertyChange"
	associationChanged = "associationChange"
	merged             = "merge"
	restored           = "restore"
	privacyDeleted     = "privacyDeletion"
)

// change is one thing that happened in an account.
type change struct {
	hub  int64
	at   time.Time
	kind string
	t    *objectType
	id   string
	// property and value are of a propertyChange.
	property, value string
	// to, toID, removed and primary are of an associationChange.
	to               *objectType
	toID             string
	removed, primary bool
	// mergedIDs and moved are of a merge.
	mergedIDs []string
	moved     int
	// source and sourceID say who did it.
	source, sourceID string
}

// tell gives a change to every app that is installed and has asked for it.
func (q *request) tell(c change) {
	s := q.s
	if q.silent || len(s.st.Hooks) == 0 && len(s.st.Journal) == 0 {
		return
	}
	c.hub, c.at = q.portal.HubID, s.now()
	c.source, c.sourceID, _, _ = q.source()
	for clientID := range s.st.Hooks {
		if s.st.Installs[installKey(c.hub, clientID)] {
			s.queueWebhooks(clientID, c)
		}
	}
	for clientID := range s.st.Journal {
		if s.st.Installs[installKey(c.hub, clientID)] {
			s.journalChange(clientID, c)
		}
	}
}

// tellBothEnds tells of an association from either side.
func (q *request) tellBothEnds(from *objectType, fromID string, to *objectType, toID string, removed, primary bool) {
	q.tell(change{kind: associationChanged, t: from, id: fromID, to: to, toID: toID, removed: removed, primary: primary})
	q.tell(change{kind: associationChanged, t: to, id: toID, to: from, toID: fromID, removed: removed, primary: primary})
}

// source says who acts, in the words of hs_object_source, of property history
// and of webhooks.
func (q *request) source() (source, id, label, detail string) {
	switch {
	case q.app != nil:
		return "INTEGRATION", strconv.FormatInt(q.app.AppID, 10), "INTEGRATION", q.app.Name
	case q.actor != 0:
		return "CRM_UI", "userId:" + strconv.FormatInt(q.actor, 10), "CRM_UI", ""
	case q.endpoint != "":
		return "AUTOMATION_PLATFORM", "", "AUTOMATION_PLATFORM", q.endpoint
	}
	return "CRM_UI", "", "CRM_UI", ""
}

// author is the user whom a write names; 0: nobody.
func (q *request) author() int64 {
	switch {
	case q.app == nil:
		return q.actor
	case q.app.UserLevel || q.portal.Settings.InstallerNamed:
		return q.token.UserID
	}
	return 0
}

// number is an ID as webhooks show it.
func number(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}

func upperSingular(t *objectType) string { return strings.ToUpper(t.Singular) }
