// Package proxy lets a program that was written for HubSpot's API run without a token:
// its requests are understood as calls of Debrief's tools, and carried out, asked about
// or refused as the permissions say.
//
// What it promises: the program never sees a token, and none is sent where the program
// says. A request is taken apart into what it means ([understand]) and put together
// anew for HubSpot; nothing of what came, no header, no path, no byte of a body, is
// passed on. What no tool describes is refused. Connections to anywhere but HubSpot's
// API go through untouched, and carry nothing of ours.
//
// What it must never do: listen beyond this machine, guess what a request might mean,
// write a token, an address or a body to a log, or outlive the program that it serves.
package proxy
