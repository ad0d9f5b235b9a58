package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A line may ask about other values from one moment to the next. A key or a click that
// was meant for those before approves nothing.
func TestAKeyMeantForOldValuesApprovesNoNewOnes(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	sc.post()
	question := sc.asked(3, "deal.create")
	mara.open(stack.PublicURL() + "/inbox")
	line := "#" + mara.line("Create Deal")
	mara.stays()
	// As fast as nobody is: in the very moment in which the line changes.
	require.NoError(t, mara.eval(`(() => {
		document.querySelector("`+line+` button[value=approve]").focus();
		new MutationObserver(() => {
			const button = document.querySelector("`+line+` button[value=approve]");
			if (window.pressed || !button || document.querySelector("`+line+`").dataset.version === "`+question.ID.String()+`") return;
			window.pressed = true;
			button.form.requestSubmit(button);
		}).observe(document.querySelector("#content"), {childList: true});
	})()`, nil))
	sc.postWith(map[string]any{"proposed_actions": []map[string]any{{
		"tool": "deal.create", "ref": "storage", "properties": map[string]any{"dealname": "Harrow Mills: quince storage", "amount": "960000"},
		"associate_with": []map[string]any{{"domain": "harrowmills.example"}, {"email": "ines@harrowmills.example"}},
		"evidence":       []map[string]any{{"quote": "Make it nine hundred and sixty thousand", "speaker": "Ines Castell"}},
	}}})
	mara.until("the line to change", `window.pressed`)
	mara.until("its line, and not its button, in focus", `document.activeElement === document.querySelector("`+line+`")`)
	mara.stayed()
	mara.shows("960,000")
	anew := sc.asked(3, "deal.create")
	require.NotEqual(t, question.ID, anew.ID, "and it still asks")
}
