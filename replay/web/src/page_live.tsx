// The observer's page.

import { useState } from 'preact/hooks';
import { count } from './format';
import { LiveSound, LiveState, ObserveBody, TaskState, useWatching } from './observe';
import { type KeyHelp, NameField, rememberedName, TopBar } from './parts';

export const OBSERVER_KEYS: KeyHelp = [
  ['S M O A H Y', 'the codes of the code book, as on the buttons'],
  ['F', 'flag this moment'],
  ['0 1 2 3 4', 'impact of your last tag'],
  ['R', 'the participant recovered from it'],
  ['N', 'write a note, stamped at its first key'],
  ['Z', 'take your last tag or note back'],
  ['?', 'these keys'],
];

export function LivePage({ token }: { token: string }) {
  const [name, setName] = useState(rememberedName('observer'));
  const watching = useWatching(token, name);
  const observers = watching.driver.status?.observers ?? 0;
  return (
    <div class="page">
      <TopBar help={OBSERVER_KEYS}>
        <h1 class="hidden">Live session</h1>
        <LiveState driver={watching.driver} player={watching.player} />
        <TaskState driver={watching.driver} />
        <LiveSound driver={watching.driver} />
        <span class="spring" />
        <span class="watchers">{observers > 0 && count(observers, 'watching', 'watching')}</span>
        <NameField
          label="You"
          value={name}
          onChange={(value) => {
            setName(value);
            watching.driver.connection.rename(value);
          }}
        />
      </TopBar>
      <ObserveBody watching={watching} />
    </div>
  );
}
