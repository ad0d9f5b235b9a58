package words

// germanCard is what cards say.
var germanCard = map[string]string{}
