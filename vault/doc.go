// Package vault keeps secrets and what people said unreadable at rest.
//
// A [Vault] is a Tink AEAD keyset: the newest key seals, every key of the set
// opens, so that keys can be rotated without a pause. Each ciphertext is bound
// to the place where it is stored (see [Vault.Seal]): moved to another row or
// column, it does not open.
//
// What belongs to one meeting is sealed with a [DataKey] of its own, which is
// itself stored only as wrapped by the vault. Deleting that one wrapped key
// makes everything sealed with it unreadable, wherever copies of it are: in
// Postgres, in its backups, in Temporal's histories.
//
// The package does no I/O but reading the keyset that it is pointed at, and it
// never puts key material or plaintext into an error.
package vault
