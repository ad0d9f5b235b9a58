// Package web serves the pages that a browser sees: signing in, and connecting
// HubSpot.
//
// What it promises: no GET changes anything or uses up a link, so that a mail
// scanner or a preview that follows one costs nobody his sign-in; every form is
// refused from another site; the pages need no script, load nothing from
// elsewhere, are never cached and cannot be framed; an error is a sentence that
// says what to do.
//
// What it must never do: decide anything itself, show a cause that was not meant
// for people, or send a browser to an address out of a request.
package web
