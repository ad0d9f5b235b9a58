package hubspottest

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} · HubSpot simulator</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: #0a66c2; }
@media (prefers-color-scheme: dark) { :root { --link: #7cb8f5; } }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; }
header { padding: .7rem 1.5rem; border-bottom: 1px solid var(--line); }
main { max-width: 72rem; margin: 1.5rem auto; padding: 0 1.5rem; }
main.narrow { max-width: 34rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
a { color: var(--link); } small, .none { opacity: .7; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } th { font-weight: 600; background: var(--soft); }
select, button { font: inherit; padding: .45rem .8rem; border: 1px solid var(--line); border-radius: .3rem; max-width: 100%; }
label { display: block; margin-top: 1rem; font-weight: 600; }
button.primary { background: #b5361c; border-color: #b5361c; color: #fff; }
.actions { margin-top: 1.2rem; }
</style></head><body><header><a href="/">HubSpot simulator</a></header>
`

const pageFoot = `</body></html>
`

var portalsPage = template.Must(template.New("portals").Parse(pageHead + `<main><h1>Accounts</h1>
{{if .Portals}}<table><thead><tr><th>Account</th><th>ID</th><th>Records</th></tr></thead><tbody>
{{range .Portals}}<tr><td><a href="/portal/{{.HubID}}">{{.Name}}</a></td><td>{{.HubID}}</td><td>{{.Count}}</td></tr>{{end}}
</tbody></table>{{else}}<p class="none">There is no account yet.</p>{{end}}</main>` + pageFoot))

var portalPage = template.Must(template.New("portal").Parse(pageHead + `<main><h1>{{.Name}} <small>{{.HubID}}</small></h1>
{{range .Types}}<h2 id="{{.Name}}">{{.Name}} <small>{{len .Rows}}</small></h2>
<div class="scroll"><table><thead><tr><th>ID</th>{{range .Columns}}<th>{{.}}</th>{{end}}</tr></thead><tbody>
{{range .Rows}}<tr><td><a href="{{.Link}}">{{.ID}}</a></td>{{range .Cells}}<td>{{.}}</td>{{end}}</tr>
{{end}}</tbody></table></div>
{{else}}<p class="none">This account has no records yet.</p>{{end}}</main>` + pageFoot))

var recordPage = template.Must(template.New("record").Parse(pageHead + `<main><p><a href="/portal/{{.HubID}}#{{.Type}}">{{.Type}}</a></p>
<h1>{{.Heading}} <small>{{.ID}}</small></h1>
{{if .Archived}}<p><strong>Archived.</strong></p>{{end}}
<h2>Properties</h2><div class="scroll"><table><thead><tr><th>Property</th><th>Value</th><th>Set by</th></tr></thead><tbody>
{{range .Props}}<tr><td>{{.Name}}</td><td>{{.Value}}</td><td>{{.By}}</td></tr>
{{end}}</tbody></table></div>
<h2>Associations</h2>{{if .Links}}<div class="scroll"><table><thead><tr><th>Type</th><th>Record</th><th>Label</th></tr></thead><tbody>
{{range .Links}}<tr><td>{{.Type}}</td><td><a href="{{.Link}}">{{.Heading}}</a></td><td>{{.Label}}</td></tr>
{{end}}</tbody></table></div>{{else}}<p class="none">None.</p>{{end}}</main>` + pageFoot))

// columns are what the overview shows of each type.
var columns = map[string][]string{
	"0-1":  {"email", "firstname", "lastname", "jobtitle"},
	"0-2":  {"name", "domain"},
	"0-3":  {"dealname", "amount", "dealstage", "closedate"},
	"0-5":  {"subject", "hs_pipeline_stage", "hs_ticket_priority"},
	"0-27": {"hs_task_subject", "hs_task_status", "hs_timestamp"},
	"0-46": {"hs_note_body", "hs_timestamp"},
	"0-47": {"hs_meeting_title", "hs_meeting_start_time", "hs_meeting_outcome"},
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		s.refuse(w, http.StatusMethodNotAllowed, "This page takes GET.")
		return
	}
	var p *portal
	if len(parts) > 1 {
		hub, _ := strconv.ParseInt(parts[1], 10, 64)
		p = s.st.Portals[hub]
	}
	switch {
	case r.URL.Path == "/":
		s.showPortals(w)
	case p == nil:
		s.refuse(w, http.StatusNotFound, "There is no such account.")
	case parts[0] == "portal" && len(parts) == 2:
		s.showPortal(w, p)
	case len(parts) == 5 && parts[2] == "record":
		s.showRecord(w, p, parts[3], parts[4])
	default:
		s.refuse(w, http.StatusNotFound, "There is no such page.")
	}
}

func html200(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html; charset=utf-8") }

func (s *Server) showPortals(w http.ResponseWriter) {
	type row struct {
		HubID int64
		Name  string
		Count int
	}
	var rows []row
	for _, p := range s.sortedPortals() {
		n := 0
		for _, records := range p.Records {
			for _, r := range records {
				if !r.Archived {
					n++
				}
			}
		}
		rows = append(rows, row{p.HubID, p.Name, n})
	}
	html200(w)
	_ = portalsPage.Execute(w, map[string]any{"Title": "Accounts", "Portals": rows})
}

func short(value string) string {
	value = plainText(value)
	if runes := []rune(value); len(runes) > 120 {
		return string(runes[:119]) + "…"
	}
	return value
}

func (s *Server) showPortal(w http.ResponseWriter, p *portal) {
	type row struct {
		ID, Link string
		Cells    []string
	}
	type table struct {
		Name    string
		Columns []string
		Rows    []row
	}
	order := []string{"0-1", "0-2", "0-3", "0-5", "0-47", "0-46", "0-27"}
	for _, id := range sortedKeys(p.Types) {
		if !slices.Contains(order, id) {
			order = append(order, id)
		}
	}
	var tables []table
	for _, id := range order {
		t := p.Types[id]
		shown := table{Name: t.Name, Columns: columns[id]}
		for _, r := range p.ordered[id] {
			if r.Archived {
				continue
			}
			one := row{ID: r.ID, Link: fmt.Sprintf("/contacts/%d/record/%s/%s", p.HubID, id, r.ID)}
			for _, name := range shown.Columns {
				one.Cells = append(one.Cells, short(p.readable(name, r.Props[name])))
			}
			shown.Rows = append(shown.Rows, one)
		}
		if len(shown.Rows) > 0 {
			tables = append(tables, shown)
		}
	}
	html200(w)
	_ = portalPage.Execute(w, map[string]any{"Title": p.Name, "Name": p.Name, "HubID": p.HubID, "Types": tables})
}

// readable shows an owner's name and a stage's label beside the ID.
func (p *portal) readable(name, value string) string {
	if value == "" {
		return ""
	}
	switch name {
	case "hubspot_owner_id":
		for _, u := range p.Users {
			if u.OwnerID == value {
				return u.FirstName + " " + u.LastName + " (" + value + ")"
			}
		}
	case "dealstage", "hs_pipeline_stage":
		id := "0-3"
		if name == "hs_pipeline_stage" {
			id = "0-5"
		}
		for _, one := range p.Pipelines[id] {
			for _, st := range one.Stages {
				if st.ID == value {
					return st.Label + " (" + value + ")"
				}
			}
		}
	}
	return value
}

func heading(t *objectType, r *record) string {
	if t.ID == "0-1" {
		if name := strings.TrimSpace(r.Props["firstname"] + " " + r.Props["lastname"]); name != "" {
			return name
		}
	}
	for _, name := range columns[t.ID] {
		if v := r.Props[name]; v != "" {
			return short(v)
		}
	}
	return t.Singular + " " + r.ID
}

func (s *Server) showRecord(w http.ResponseWriter, p *portal, typeID, id string) {
	t := p.typeOf(typeID)
	var r *record
	if t != nil {
		r = p.Records[t.ID][id]
	}
	if r == nil {
		s.refuse(w, http.StatusNotFound, "There is no such record.")
		return
	}
	type prop struct{ Name, Value, By string }
	var props []prop
	for _, name := range sortedKeys(r.Props) {
		by := ""
		if h := r.History[name]; len(h) > 0 {
			by = strings.TrimSpace(h[0].Source + " " + h[0].SourceID)
		}
		props = append(props, prop{name, plainText(p.readable(name, r.Props[name])), by})
	}
	type linked struct{ Type, Heading, Link, Label string }
	var links []linked
	for _, toID := range sortedKeys(p.Types) {
		to := p.Types[toID]
		for _, other := range p.linkedIDs(t, id, to) {
			var labels []string
			for _, l := range p.Links[linkKey(t.ID, id, toID)][other] {
				if known, _ := p.linkType(t.ID, toID, typeInput(l)); known.Label != "" {
					labels = append(labels, known.Label)
				}
			}
			links = append(links, linked{to.Name, heading(to, p.Records[toID][other]), fmt.Sprintf("/contacts/%d/record/%s/%s", p.HubID, toID, other), strings.Join(labels, ", ")})
		}
	}
	html200(w)
	_ = recordPage.Execute(w, map[string]any{
		"Title": heading(t, r), "HubID": p.HubID, "Type": t.Name, "Heading": heading(t, r), "ID": r.ID, "Archived": r.Archived, "Props": props, "Links": links,
	})
}

var (
	styleBlock = regexp.MustCompile(`(?s)<(style|title)>.*?</(style|title)>`)
	anyTag     = regexp.MustCompile(`<[^>]*>`)
	spaces     = regexp.MustCompile(`\s+`)
)

// plainText takes the tags out of HTML.
func plainText(s string) string {
	if !strings.Contains(s, "<") {
		return s
	}
	s = styleBlock.ReplaceAllString(s, " ")
	return strings.TrimSpace(spaces.ReplaceAllString(html.UnescapeString(anyTag.ReplaceAllString(s, " ")), " "))
}
