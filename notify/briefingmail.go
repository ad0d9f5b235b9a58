package notify

import (
	"context"
	"html"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/store"
)

// longestThread is how many earlier mails a mail names: the first one, and the last ones.
const longestThread = 20

// briefByMail tells somebody by mail: an update answers the mails before it.
func (o *Outbox) briefByMail(ctx context.Context, n store.Notice, t told, p *store.NoticeProgress) (*briefingThread, error) {
	if o.options.Sender == nil {
		return nil, &SendError{Reason: "there is no mail server", Permanent: true, code: errAbsent}
	}
	if !Internal(t.to.Email, t.to.Domains) {
		return nil, &SendError{Reason: "the address is not one that mail can be sent to", Permanent: true}
	}
	m := t.mail(host(o.options.PublicURL))
	m.ID, m.To = n.ID, t.to.Email
	if err := o.surely(ctx, n, p, func() error { return o.options.Sender.Send(ctx, m) }); err != nil {
		return nil, err
	}
	if t.telling == nil {
		return nil, nil // nothing answers a digest
	}
	thread := t.thread
	if thread.Mails = append(slices.Clone(thread.Mails), n.ID); len(thread.Mails) > longestThread {
		thread.Mails = slices.Delete(thread.Mails, 1, 2)
	}
	return &thread, nil
}

// mail is what is told, as a mail. Its subject names nothing but a time: it shows on
// locked screens.
func (t told) mail(host string) Message {
	m := Message{Subject: t.subject, Language: t.print.Language()}
	if t.changes != nil && len(t.thread.Mails) > 0 {
		// Programs that sort mails by conversations look at both.
		m.Subject, m.After = "Re: "+m.Subject, t.thread.Mails
	}
	closing := closingEN
	if m.Language == "de" {
		closing = closingDE
	}
	closing = strings.ReplaceAll(closing, "{host}", plain(host))
	where := t.print.T("All of it is on its page:")
	page := t.content()
	m.Text = page.Text() + "\n" + where + "\n" + t.link + "\n\n-- \n" + closing + "\n"
	var b strings.Builder
	b.WriteString("<!doctype html>\n<html lang=\"" + m.Language + "\"><meta charset=\"utf-8\"><title>" + html.EscapeString(m.Subject) +
		"</title>\n<body style=\"font-family: sans-serif; line-height: 1.5\">\n")
	b.WriteString(page.HTML())
	link := html.EscapeString(t.link)
	b.WriteString("<p>" + html.EscapeString(where) + "<br>\n<a href=\"" + link + "\">" + link + "</a></p>\n<p><small>" + html.EscapeString(closing) + "</small></p>\n</body></html>\n")
	m.HTML = b.String()
	return m
}
