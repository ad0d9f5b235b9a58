// Command bench measures Debrief, an item at a time:
//
//	overhead   a follow-up beside a bare program that makes the same calls
//	waiting    follow-ups that wait for people by the ten thousand
//	calls      calls of HubSpot's API for a meeting and for a brief, beside their floors
//	fairness   a quiet account beside one with thousands waiting
//	growth     some of that with up to a million meetings in the store
//
// What it needs it brings up itself, on loopback alone, and takes down again. It prints a
// table with the goals beside and writes bench/results/<item>.json. Missing a goal is a
// result, not a failure.
package main
