"""The pages of a user pool: sign in, sign up, confirm, recover, second factors, passkeys."""
