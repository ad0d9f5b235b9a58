// Package vault keeps secrets and what people said unreadable at rest.
//
// A [Vault] is a Tink AEAD keyset: its primary key seals, every key of the set
// opens, so that keys can be rotated without a pause. Each ciphertext is bound
// to the place where it is stored (see [Vault.Seal]): moved to another row or
// column, it does not open. In front of it stands the ID of its key ([KeyOf]).
//
// The keyset comes from a file or from the environment, in clear or wrapped by a
// KMS, which a program of the operator's asks ([KeyWrapper], [Command]).
//
// Keys are rotated in steps, each of which every process may take in its own
// time: [AddKey], and all processes have it; [PromoteKey], and all processes
// seal with it; the store seals anew what is under the old one ([Vault.Reseal]);
// [RetireKey].
//
// What belongs to one meeting is sealed with a [DataKey] of its own, which is
// itself stored only as wrapped by the vault. Deleting that one wrapped key
// makes everything sealed with it unreadable, wherever copies of it are: in
// Postgres, in its backups, in Temporal's histories.
//
// The package does no I/O but reading the keyset that it is pointed at and
// running that program, and it never puts key material or plaintext into an
// error.
package vault
