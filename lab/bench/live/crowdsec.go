package main

// startCrowdSec is for CrowdSec with its firewall bouncer.
func startCrowdSec(_, _ string) (stop func(), err error) { return nil, errMissing }
