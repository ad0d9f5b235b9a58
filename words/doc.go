// Package words holds what people read in more than one language: the sentences
// of pages, cards and messages. English is written where it is used and is the
// key; other languages are tables in this package.
//
// What it promises: a sentence without a translation is shown in English, never
// as a key; a test fails for every sentence of a table's language that is used
// and not translated, or whose placeholders differ.
//
// What it must never do: translate what people said or wrote, or what is stored.
package words
