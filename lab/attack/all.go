package attack

// All gives the attacks, and the honest peers last.
func All() []Attack {
	return []Attack{churn(), slowChurn(), natMix(), honest()}
}
