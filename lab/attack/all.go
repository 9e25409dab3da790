package attack

// All gives the attacks, and the honest peers last.
func All() []Attack {
	return []Attack{
		churn(), slowChurn(), natMix(), spray64(), quicChurn(), relayed(),
		handshakeJunk(), wsJunk(),
		injectALPN(), injectCert(), injectIdentify(), journalSplit(),
		honest(),
	}
}
