package connections

// JournalProperties are the properties whose changes the journal is asked to tell,
// by the type's name.
func JournalProperties() map[string][]string {
	names := map[string]string{"0-1": "contact", "0-2": "company", "0-3": "deal", "0-5": "ticket", "0-47": "meeting"}
	properties := map[string][]string{}
	for _, t := range journalTypes {
		properties[names[t.typeID]] = t.properties
	}
	return properties
}
