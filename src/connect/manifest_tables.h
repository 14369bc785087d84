// The descriptors of the manifest's parts, declared where all of them can be seen; private to the readers of manifests.
// Nothing but the manifest_*.cc files may include it.
#pragma once

#include "connect/manifest.h"

namespace tieline {

const spec::Names<Deletions>& describe(const Deletions*);

}  // namespace tieline

namespace tieline::connect {

const spec::Table<VariableSpec>& describe(const VariableSpec*);
const spec::Table<BasicSpec>& describe(const BasicSpec*);
const spec::Names<Grant>& describe(const Grant*);
const spec::Names<ClientAuth>& describe(const ClientAuth*);
const spec::Names<Refresh>& describe(const Refresh*);
const spec::Table<OAuth2Spec>& describe(const OAuth2Spec*);
const spec::Table<AuthSpec>& describe(const AuthSpec*);
const spec::Custom<ChosenRate>& describe(const ChosenRate*);
const spec::Custom<ChosenCount>& describe(const ChosenCount*);
const spec::Names<Unit>& describe(const Unit*);
const spec::Names<Window>& describe(const Window*);
const spec::Names<SharedWith>& describe(const SharedWith*);
const spec::Names<Applies>& describe(const Applies*);
const spec::Table<LimitSpec>& describe(const LimitSpec*);
const spec::Custom<StatusMatch>& describe(const StatusMatch*);
const spec::Names<Judgement>& describe(const Judgement*);
const spec::Table<RuleSpec>& describe(const RuleSpec*);
const spec::Table<ErrorsSpec>& describe(const ErrorsSpec*);
const spec::Table<PaginateSpec>& describe(const PaginateSpec*);
const spec::Custom<ActionPaginate>& describe(const ActionPaginate*);
const spec::Names<ArgType>& describe(const ArgType*);
const spec::Table<ArgSpec>& describe(const ArgSpec*);
const spec::Table<IdempotencySpec>& describe(const IdempotencySpec*);
const spec::Table<FindSpec>& describe(const FindSpec*);
const spec::Table<MatchSpec>& describe(const MatchSpec*);
const spec::Table<EachSpec>& describe(const EachSpec*);
const spec::Custom<ResultSpec>& describe(const ResultSpec*);
const spec::Names<Returns>& describe(const Returns*);
const spec::Table<ActionSpec>& describe(const ActionSpec*);
const spec::Table<ReadingSpec>& describe(const ReadingSpec*);
const spec::Names<ChangesOrder>& describe(const ChangesOrder*);
const spec::Table<SyncSpec>& describe(const SyncSpec*);
const spec::Table<ResourceSpec>& describe(const ResourceSpec*);
const spec::Names<Decode>& describe(const Decode*);
const spec::Names<TimestampUnit>& describe(const TimestampUnit*);
const spec::Table<TimestampSpec>& describe(const TimestampSpec*);
const spec::Table<SchemeSpec>& describe(const SchemeSpec*);
const spec::Table<HandshakeReply>& describe(const HandshakeReply*);
const spec::Table<HandshakeSpec>& describe(const HandshakeSpec*);
const spec::Table<EventSpec>& describe(const EventSpec*);
const spec::Table<WebhooksSpec>& describe(const WebhooksSpec*);
const spec::Table<HealthSpec>& describe(const HealthSpec*);

}  // namespace tieline::connect
