package redact

// secretWords make a key one whose value is a secret, wherever they are in it;
// in texts, what is assigned to such a key is one. They are in lower case.
var secretWords = []string{
	"password", "passwd", "passphrase", "secret", "api_key", "api-key", "apikey", "private_key", "privatekey", "credential",
	"access_token", "access-token", "accesstoken", "refresh_token", "refreshtoken", "id_token", "auth_token", "auth-token", "authtoken",
}

// secretKeys are further keys, as globs. Those of HTTP headers stand at the end
// of http.request.header.… and its like.
var secretKeys = []string{
	"pwd", "*.pwd", "*_pwd", "token", "*.token", "*authorization", "*cookie",
}

// defaultRules are what Config.Defaults adds: passwords by key, then tokens,
// passwords and card numbers in texts.
func defaultRules() []*rule {
	passwords := &rule{name: "passwords", action: Mask, sparesBools: true}
	for _, word := range secretWords {
		passwords.keys = append(passwords.keys, glob("*"+word+"*"))
	}
	for _, key := range secretKeys {
		passwords.keys = append(passwords.keys, glob(key))
	}
	return []*rule{
		passwords,
		{name: "tokens", action: Mask, find: findTokens, needs: space | letterJ},
		{name: "passwords-in-text", action: Mask, find: findAssigned, needs: equals | colon},
		{name: "passwords-in-urls", action: Mask, find: findUserinfo, needs: at},
		{name: "card-numbers", action: Mask, find: findCards, needs: digit},
	}
}
