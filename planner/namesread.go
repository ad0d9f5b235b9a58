package planner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

const (
	// mostSearches by names a plan makes: the account has five searches a second for
	// all that happens in it (developers.hubspot.com, "Search the CRM").
	mostSearches = 2
	// mostColleagues are read of the companies of those who were there, the newest:
	// one batch.
	mostColleagues = hubspot.MaxBatch
	// mostFound are taken of a search: of more, nobody can tell which is meant.
	mostFound = 10
	// mostNames are looked for in one search: as many filter groups as it may have.
	mostNames = 5
)

// names reads who and what proposals call by a name that nobody and nothing has that
// is read already: of contacts the people of the companies that were there, and of all
// what a search finds. Most plans need neither.
func (r *resolver) names(ctx context.Context) error {
	missing := r.missingNames()
	if len(missing["contact"]) > 0 {
		if err := r.colleagues(ctx, missing["contact"]); err != nil {
			return err
		}
		missing = r.missingNames()
	}
	searches := 0
	for _, object := range []string{"contact", "deal", "company", "ticket"} {
		groups := searchFor(object, missing[object])
		if len(groups) == 0 || searches == mostSearches || r.out.denied(object) {
			continue
		}
		searches++
		result, err := r.crm.Search(ctx, types[object], hubspot.SearchRequest{FilterGroups: groups, Properties: r.properties(object), Limit: mostFound})
		if r.denied(err, object) {
			continue
		}
		if err != nil {
			return fmt.Errorf("searching %s by name: %w", types[object], err)
		}
		if result.After != "" {
			r.out.Cut = append(r.out.Cut, object)
		}
		r.keep(object, slices.DeleteFunc(result.Records, func(x hubspot.Record) bool {
			return !slices.ContainsFunc(missing[object], func(name string) bool { return isCalled(object, Record{ID: x.ID, Properties: x.Properties}, name) })
		}))
	}
	return nil
}

// missingNames are the names of proposals that nothing has that is read, by object.
func (r *resolver) missingNames() map[string][]string {
	p := &plan{in: Input{Subject: r.in}, res: r.out, people: r.people, lists: readPeopleFile(peopleFile)}
	missing := map[string][]string{}
	want := func(object, name string) {
		known := slices.ContainsFunc(r.out.of(object), func(x Record) bool { return isCalled(object, x, name) })
		if object == "contact" {
			for _, person := range slices.Concat(r.people.External, r.people.Internal) {
				known = known || nameOf(person).fits(nameWords(name)) > noFit
			}
		}
		if object == "deal" || object == "ticket" {
			// "the Northwind deal" is one of Northwind's, whatever it is called.
			words := telling(name)
			for _, x := range r.out.of(object) {
				known = known || fitsThing(words, p.allWordsOf(object, x))
			}
		}
		if !known {
			missing[object] = append(missing[object], name)
		}
	}
	for _, list := range r.in.proposals() {
		for _, a := range list.Actions {
			object, operation, _ := strings.Cut(a.Tool, ".")
			if operation == "update" && a.Target.Name != "" {
				want(object, a.Target.Name)
			}
			for _, ref := range a.AssociateWith {
				if ref.Name != "" {
					want(ref.Object, ref.Name)
				}
			}
			if contact, known := byID(r.out.Contacts, a.Target.ID); known && object == "contact" && list.By == ByPlatform && !p.isAttendee(contact) {
				// A first name may be a colleague's as well: they are read, too.
				for _, name := range namesIn(a.Evidence) {
					if !strings.Contains(name, " ") && isCalled(object, contact, name) {
						missing[object] = append(missing[object], name)
					}
				}
			}
			if _, known := byID(r.out.Contacts, a.Target.ID); object == "contact" && operation == "update" && (a.Target.ID != "" && !known || a.Target.ID+a.Target.Name+a.Target.Email == "") && list.By != ByPlatform {
				// Whoever picked it was shown it, or guessed, or could not be shown it: it counts only if it is found by
				// the name that was said.
				for _, name := range namesIn(a.Evidence) {
					want(object, name)
				}
			}
		}
	}
	for object, names := range missing {
		missing[object] = unique(names)
	}
	return missing
}

// namesIn are what could be names in quotations: words with a capital that stand
// together, without the first one of a sentence where more follow.
func namesIn(quotes []meeting.Evidence) []string {
	var names []string
	for _, e := range quotes {
		var run []string
		end := func() {
			if len(run) > 0 {
				names = append(names, strings.Join(run, " "))
			}
			if len(run) > 2 {
				names = append(names, strings.Join(run[1:], " "))
			}
			run = nil
		}
		for field := range strings.FieldsSeq(e.Quote) {
			word := strings.Trim(field, ".,;:!?…\"'“”„«»()")
			first, _ := utf8.DecodeRuneInString(word)
			if !unicode.IsUpper(first) {
				end()
				continue
			}
			run = append(run, word)
			if !strings.HasSuffix(field, word) {
				end()
			}
		}
		end()
	}
	return unique(names)
}

// isCalled says whether a record of a type has a name that was said.
func isCalled(object string, x Record, name string) bool {
	switch object {
	case "contact":
		return nameOfContact(x).fits(nameWords(name)) > noFit
	case "company":
		words := telling(name)
		return len(words) > 0 && fitsThing(words, append(telling(x.Properties["name"]), telling(nameOfDomain(x.Properties["domain"]))...))
	case "deal", "ticket":
		words := telling(name)
		return fitsThing(words, telling(x.Properties[titleOf(object)])) // "the deal" is any
	default:
		return true // is not looked for
	}
}

// colleagues reads who of the companies of those who were there is called by one of
// the names, and keeps them with their company.
func (r *resolver) colleagues(ctx context.Context, names []string) error {
	var companies []string
	for _, p := range r.people.External {
		if c, found := companyOf(r.out, r.people, p); found == foundOne {
			companies = append(companies, c.ID)
		}
	}
	if companies = unique(companies); len(companies) == 0 {
		return nil
	}
	result, err := r.crm.BatchReadAssociations(ctx, types["company"], types["contact"], companies)
	if r.denied(err, "contact") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading who belongs to the companies: %w", err)
	}
	of := map[string][]string{}
	for company, people := range result.Records {
		for _, person := range people {
			if _, known := byID(r.out.Contacts, person.ID); !known {
				of[person.ID] = append(of[person.ID], company)
			}
		}
	}
	ids := sortedKeys(of)
	slices.SortFunc(ids, func(a, b string) int { return compareIDs(b, a) })
	if len(ids) > mostColleagues || len(result.After) > 0 {
		r.out.Cut = append(r.out.Cut, "contact")
		ids = ids[:min(len(ids), mostColleagues)]
	}
	if len(ids) == 0 {
		return nil
	}
	read, err := r.crm.BatchRead(ctx, types["contact"], hubspot.BatchReadInput{Properties: r.properties("contact"), IDs: ids})
	if r.denied(err, "contact") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the people of the companies: %w", err)
	}
	for _, x := range read.Records {
		if !slices.ContainsFunc(names, func(name string) bool { return isCalled("contact", Record{ID: x.ID, Properties: x.Properties}, name) }) {
			continue
		}
		r.keep("contact", []hubspot.Record{x})
		for i := range r.out.Contacts {
			if r.out.Contacts[i].ID == x.ID {
				for _, company := range of[x.ID] {
					r.out.Contacts[i].link(Link{Object: "company", ID: company})
				}
			}
		}
	}
	return nil
}

// searchFor are the filters of a search for names, a group for each. A first name
// alone is no use in an account of thousands.
func searchFor(object string, names []string) []hubspot.FilterGroup {
	var groups []hubspot.FilterGroup
	for _, name := range names {
		words := slices.DeleteFunc(wordsIn(name), func(w string) bool { return emptyWords[fold(w)] || isTitle(w) })
		var filters []hubspot.Filter
		token := func(property, word string) {
			filters = append(filters, hubspot.Filter{PropertyName: property, Operator: hubspot.ContainsToken, Value: word})
		}
		switch {
		case object == "contact" && len(words) > 1:
			token("firstname", words[0])
			token("lastname", words[len(words)-1])
		case object == "contact":
		case len(words) > 0:
			property := cmp.Or(map[string]string{"company": "name", "ticket": "subject"}[object], "dealname")
			for _, w := range words[:min(len(words), 3)] {
				token(property, w)
			}
		}
		if len(filters) > 0 && len(groups) < mostNames {
			groups = append(groups, hubspot.FilterGroup{Filters: filters})
		}
	}
	return groups
}

// ownerNamed says whether a proposal gives something to somebody whom an owner's name
// may be: then that owner is kept.
func (r *resolver) ownerNamed(o Owner) bool {
	name := nameOf(Person{Name: o.Name, Email: o.Email})
	return slices.ContainsFunc(r.given(), func(g given) bool {
		if name.fits(nameWords(g.to)) > noFit {
			return true
		}
		return slices.ContainsFunc(g.quotes, func(e meeting.Evidence) bool {
			f, _ := name.in(spokenOf(e.Quote))
			return f > nickname
		})
	})
}

// given is that something is to be somebody's.
type given struct {
	to     string // a name; empty where it is said by ID
	quotes []meeting.Evidence
}

// given are the proposals that name an owner whom only a name tells.
func (r *resolver) given() []given {
	var all []given
	for _, list := range r.in.proposals() {
		for _, a := range list.Actions {
			value := strings.TrimSpace(a.Properties["hubspot_owner_id"])
			switch {
			case value == "" || address(value) != "":
			case strings.Trim(value, "0123456789") != "":
				all = append(all, given{to: value})
			case list.By != ByPlatform:
				all = append(all, given{quotes: a.Evidence})
			}
		}
	}
	return all
}
