// Package web serves the pages that a browser sees: signing in, connecting
// HubSpot, the people and the connections of an organization, the inbox of what
// waits for an answer, and the meetings.
//
// What it promises: no GET changes anything or uses up a link, so that a mail
// scanner or a preview that follows one costs nobody his sign-in (coming back
// from HubSpot or from an identity provider apart, which works once, with a state,
// in the browser that began); every form is refused from another site; the pages
// work without a script (one of our own adds keys and live updates for who is
// signed in), load nothing from elsewhere, are never cached and cannot be framed;
// of a meeting that somebody may not see they do not tell whether it exists; an error
// is a sentence that says what to do. Which organization a page is about comes from
// the session and never from the address, and a role that may not do something is
// refused where it is done, not only where it is shown.
//
// What it must never do: decide anything itself, show a cause that was not meant
// for people, or send a browser to an address out of a request.
package web
