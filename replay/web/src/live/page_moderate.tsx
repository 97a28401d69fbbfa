// The moderator page: before a session a preview of the recording, during it one obvious next step.

import { useState } from 'preact/hooks';
import type { Status } from '../../gen/protocol/wire_pb';
import { Status_OwnPages, Status_State } from '../../gen/protocol/wire_pb';
import { useUnlessTyping } from '../base/focus';
import { bytes, clock } from '../base/format';
import type { LiveDriver } from '../driver/live';
import { AskAtTaskEnd } from '../marks/opportunities';
import { focusOnce } from '../marks/outcome';
import { NameField, Notice, rememberedName, TopBar } from '../parts/parts';
import { News, refusalText } from '../session/reach';
import { OtherModerators, Watchers } from '../session/watchers';
import { courseHelp, courseKeys, type Do, Rail } from './course';
import { InterruptionBanner } from './interruption';
import { LateNotes, LiveSound, LiveState, ObserveBody, observerKeys, TaskState, useWatching } from './observe';
import { ShareButton } from './share';
import { StartPanel } from './start';

/** Requests to the recorder, and the reason of the last refusal. */
function useRequests(driver: LiveDriver): { act: Do; trouble: string } {
  const [trouble, setTrouble] = useState('');
  const act: Do = async (body) => {
    try {
      await driver.connection.request(body);
      setTrouble('');
      return '';
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      setTrouble(reason);
      return reason;
    }
  };
  return { act, trouble };
}

export function ModeratePage({ token }: { token: string }) {
  const [name, setName] = useState(rememberedName('moderator'));
  const watching = useWatching(token, name);
  const { driver } = watching;
  const { act, trouble } = useRequests(driver);
  /* attempt whose outcome is being chosen; another moderator may end it meanwhile */
  const [chosenFor, chooseFor] = useState('');
  const status = driver.status;
  const ending = status?.state === Status_State.ENDING;
  const running = status?.state === Status_State.RECORDING || status?.state === Status_State.PAUSED;
  /* a panel with a field in use stays until the user leaves it */
  const panel = useUnlessTyping(ending ? 'ending' : running ? 'session' : 'start');
  const choosing = chosenFor !== '' && chosenFor === status?.attempt;
  const setChoosing = (now: boolean) => chooseFor(now ? (driver.status?.attempt ?? '') : '');
  const keys = courseKeys(driver, act, () => setChoosing(true));
  return (
    <div class="page moderate">
      <TopBar help={running ? [...courseHelp(driver), ...observerKeys(watching)] : []}>
        <h1 class="hidden">Moderate</h1>
        <LiveState driver={driver} player={watching.player} />
        <TaskState driver={driver} />
        <LiveSound driver={driver} />
        {driver.connection.state !== 'refused' && (
          <>
            <OtherModerators driver={driver} />
            <Watchers driver={driver} />
          </>
        )}
        <span class="spring" />
        {driver.connection.state !== 'refused' && (
          <>
            <ShareButton connection={driver.connection} />
            <NameField
              label="You"
              value={name}
              onChange={(value) => {
                setName(value);
                driver.connection.rename(value);
              }}
            />
          </>
        )}
      </TopBar>
      <News driver={driver} />
      {status && <OwnPage status={status} />}
      {trouble && <Notice kind="error">{trouble}</Notice>}
      {status?.warning && <Notice kind="warning">{status.warning}</Notice>}
      {panel === 'ending' && status ? (
        <Ending status={status} act={act} />
      ) : panel === 'session' ? (
        <div class="railed">
          <Rail driver={driver} coder={watching.coder} act={act} choosing={choosing} onChoosing={setChoosing} />
          <div class="railmain">
            <InterruptionBanner driver={driver} act={act} />
            <AskAtTaskEnd coder={watching.coder} driver={driver} />
            <ObserveBody watching={watching} extraKeys={keys} />
          </div>
        </div>
      ) : (
        <>
          <LateNotes watching={watching} />
          {driver.connection.state === 'refused' ? (
            <main class="start">
              <Notice kind="error">{refusalText(driver.connection)}</Notice>
            </main>
          ) : (
            <StartPanel driver={driver} act={act} />
          )}
        </>
      )}
    </div>
  );
}

/** Warning if the page is, or may be, on the recorded display. */
function OwnPage({ status }: { status: Status }) {
  const [elsewhere, setElsewhere] = useState(false);
  if (status.ownPages === Status_OwnPages.HIDDEN)
    return (
      <Notice kind="error">
        This page is on the recorded display: the participant can see it. The visible part of its window is hidden in
        the recording. Use another machine, or move the page away.
      </Notice>
    );
  if (status.ownPages !== Status_OwnPages.UNKNOWN || elsewhere) return null;
  const running = status.state !== Status_State.IDLE;
  return (
    <Notice kind="error">
      If this page is on the participant’s screen, it {running ? 'is being recorded' : 'will be recorded'}: under Wayland
      windows cannot be hidden, because their positions are not known. Open it on another machine.{' '}
      <button type="button" onClick={() => setElsewhere(true)}>
        It is on another screen
      </button>
    </Notice>
  );
}

/* ---- an ended session that waits for disk space ---- */

function Ending({ status, act }: { status: Status; act: Do }) {
  const [asking, setAsking] = useState(false);
  const length = `${clock(status.waitingToNs - status.waitingFromNs)} min (${bytes(status.waitingBytes)})`;
  return (
    <main class="start">
      <section class="card" aria-labelledby="ending-title">
        <h2 id="ending-title">Session {status.session} is waiting for disk space</h2>
        <p>
          Recording has ended. {length} of the session are still in memory. Free disk space in the library’s folder: they
          are then written automatically.
        </p>
        {asking ? (
          <>
            <p role="alert">
              <b>{length} will be lost permanently</b>; the session records the loss. Data already on the disk is kept.
            </p>
            <div class="row">
              <button
                type="button"
                class="danger"
                onClick={() => {
                  setAsking(false);
                  void act({ case: 'stop', value: { discard: true } });
                }}
              >
                Discard and end session
              </button>
              <button type="button" ref={focusOnce} onClick={() => setAsking(false)}>
                Keep waiting
              </button>
            </div>
          </>
        ) : (
          <button type="button" onClick={() => setAsking(true)}>
            Discard unwritten data …
          </button>
        )}
      </section>
    </main>
  );
}
