package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
)

// mail is what carries notices, or nil where no mail server is set: then they
// wait.
func (a *app) mail() (notify.Sender, error) {
	if a.SMTPURL == "" {
		return nil, nil
	}
	// A secret has no flag: arguments show in lists of processes.
	password := store.Secret(os.Getenv("DEBRIEF_SMTP_PASSWORD"))
	if a.SMTPPasswordFile != "" {
		var err error
		if password, err = a.readSecret(a.SMTPPasswordFile, "mail server's password"); err != nil {
			return nil, err
		}
	}
	if a.MailFrom == "" {
		return nil, usagef("the setting --mail-from (DEBRIEF_MAIL_FROM) is missing: mails need a sender, such as debrief@example.com")
	}
	m, err := notify.NewMail(notify.MailOptions{URL: a.SMTPURL, Password: password, From: a.MailFrom})
	if err != nil {
		return nil, usagef("the settings --smtp-url (DEBRIEF_SMTP_URL) and --mail-from (DEBRIEF_MAIL_FROM) are wrong: %s", err)
	}
	return m, nil
}

const noMail = "No mail server is set (--smtp-url, DEBRIEF_SMTP_URL): what is to be mailed waits until there is one."

type noticesCmd struct {
	List  noticesListCmd  `cmd:"" help:"List notices, newest first."`
	Retry noticesRetryCmd `cmd:"" help:"Try what failed, or waits for its next try, again."`
}

type noticesListCmd struct {
	jsonFlag

	State string `help:"Only those in this state: queued, sent, failed, dropped." enum:"queued,sent,failed,dropped,all" default:"all"`
	Limit int    `help:"How many." default:"50"`
}

func (c *noticesListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "notices")
	if err != nil {
		return err
	}
	state := store.NoticeState(c.State)
	if c.State == "all" {
		state = ""
	}
	all, err := s.Notices(ctx, o.ID, state, c.Limit)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"NOTICE", "QUEUED", "WHAT", "TO", "STATE", "REASON"}}
		for _, n := range all {
			to := "nobody"
			if n.PersonID != nil {
				if to = names[n.PersonID.String()]; to == "" {
					to = n.PersonID.String()
				}
			}
			state := string(n.State)
			if n.State == store.NoticeQueued && n.Attempts > 0 {
				state = fmt.Sprintf("%s, again %s", state, ago(n.NextAt))
			}
			rows = append(rows, []string{n.ID.String(), ago(n.CreatedAt), string(n.Kind), to, state, n.Reason})
		}
		a.table("Nobody had to be told anything yet.", rows)
		if a.SMTPURL == "" {
			a.say(noMail)
		}
	})
}

type noticesRetryCmd struct {
	jsonFlag

	ID uuid.UUID `arg:"" optional:"" help:"The notice; without it, all that failed or wait."`
}

func (c *noticesRetryCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "notices")
	if err != nil {
		return err
	}
	var id *uuid.UUID
	if c.ID != uuid.Nil {
		id = &c.ID
	}
	n, err := s.RetryNotices(ctx, o.ID, id)
	if err != nil {
		return err
	}
	if n == 0 && id != nil {
		return usagef("there is no notice %s that failed or waits: `debrief notices list` shows them", c.ID)
	}
	if err := a.done(c.JSON, "%d notices are tried again.", n); err != nil || a.SMTPURL != "" || c.JSON {
		return err
	}
	a.say(noMail)
	return nil
}

type notifyCmd struct {
	Test     notifyTestCmd     `cmd:"" help:"Send a test mail to somebody in the organization, and say what the mail server answers."`
	Language notifyLanguageCmd `cmd:"" help:"Set the language that somebody is told things in."`
	When     notifyWhenCmd     `cmd:"" help:"Say when people are told that questions wait: quiet hours, or once a day. Without flags it shows what is set."`
}

type notifyTestCmd struct {
	jsonFlag

	Email    string `arg:"" help:"Address in the organization's domains."`
	Language string `help:"Language: ${enum}." enum:"en,de" default:"en"`
}

func (c *notifyTestCmd) Run(ctx context.Context, a *app) error {
	mail, err := a.mail()
	if err != nil {
		return err
	}
	if mail == nil {
		return usagef("the setting --smtp-url (DEBRIEF_SMTP_URL) is missing: it names the mail server, such as smtp://user@mail.example.com:587")
	}
	_, o, err := a.open(ctx, "notify")
	if err != nil {
		return err
	}
	if !notify.Internal(c.Email, o.Domains) {
		return usagef("mail goes to the organization's own domains alone, and that is not an address in one of them: `debrief organizations list` shows them")
	}
	if err := notify.SendTest(ctx, mail, a.PublicURL, c.Email, o.Domains, c.Language); err != nil {
		return fmt.Errorf("sending a test mail: %w", err)
	}
	return a.done(c.JSON, "The mail server has taken the test mail over.")
}

type notifyLanguageCmd struct {
	jsonFlag

	Email    string `arg:"" help:"Somebody's address."`
	Language string `arg:"" help:"Language: ${enum}." enum:"en,de"`
}

func (c *notifyLanguageCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "notify")
	if err != nil {
		return err
	}
	err = s.SetLanguage(ctx, o.ID, c.Email, c.Language)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("nobody in the organization has that address: `debrief people list` shows them")
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "From now on it is %s.", map[string]string{"en": "English", "de": "German"}[c.Language])
}

type notifyWhenCmd struct {
	jsonFlag

	Email      string `arg:"" optional:"" help:"Somebody's address; without it, all who don't say otherwise."`
	TimeZone   string `help:"Time zone, such as Europe/Berlin."`
	QuietHours string `help:"When nobody is told that questions wait, such as 20:00-08:00; off for never."`
	Digest     string `help:"When all is told together once a day, such as 09:00; off for each at once."`
}

func (c *notifyWhenCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "notify")
	if err != nil {
		return err
	}
	was, who := o.Settings.Notify, store.Person{}
	if c.Email != "" {
		if who, err = s.PersonByEmail(ctx, o.ID, c.Email); errors.Is(err, store.ErrNotFound) {
			return usagef("nobody in the organization has that address: `debrief people list` shows them")
		}
		if err == nil {
			was, err = s.PersonNotify(ctx, o.ID, who.ID)
		}
		if err != nil {
			return err
		}
	}
	wanted := store.NotifySettings{
		TimeZone: cmp.Or(c.TimeZone, was.TimeZone), QuietHours: cmp.Or(c.QuietHours, was.QuietHours), Digest: cmp.Or(c.Digest, was.Digest),
	}
	switch {
	case wanted == was:
	case c.Email == "":
		err = s.SetNotifySettings(ctx, o.ID, wanted, store.Operator)
	default:
		err = s.SetPersonNotify(ctx, o.ID, who.ID, wanted, store.Operator)
	}
	if err != nil {
		return err
	}
	return a.show(c.JSON, wanted, func() {
		unset := "as the organization says"
		if c.Email == "" {
			unset = "not set"
		}
		a.say("time zone    %s", cmp.Or(wanted.TimeZone, unset))
		a.say("quiet hours  %s", cmp.Or(wanted.QuietHours, unset))
		a.say("digest       %s", cmp.Or(wanted.Digest, unset))
	})
}
